"use strict";
// Sorting, turning and looking closer. A classic script that reads nothing but its own page, so that it works from disk.
const report = { models: {}, angle: 0 };

// ---- tables ---------------------------------------------------------------------------------------------------------

report.sort = (heading, column) => {
  const table = heading.closest("table");
  const rising = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.querySelectorAll("th")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const words = new Intl.Collator("en", { numeric: true });
  const key = row => {
    const cell = row.cells[column];
    return cell.dataset.sort === undefined ? cell.textContent.trim() : cell.dataset.sort;
  };
  const numbers = table.tBodies[0].querySelector("tr:not(.head)")?.cells[column]?.dataset.sort !== undefined;
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === "" || y === "") return (x === "") - (y === "");  // what has no number stays last
    return (numbers ? x - y : words.compare(x, y)) * (rising ? 1 : -1);
  };
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter(row => !row.classList.contains("head"));
    body.append(...rows.sort(compare));
  }
};

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => report.sort(heading, column));
    heading.append(button);
  });
}

// ---- turntables -----------------------------------------------------------------------------------------------------

report.turn = angle => {
  report.angle = ((angle % 360) + 360) % 360;
  const told = Math.round(report.angle) % 360;
  for (const table of document.querySelectorAll(".turn")) {
    const frames = Number(table.dataset.frames);
    const frame = Math.round(report.angle / 360 * frames) % frames;
    table.firstElementChild.style.transform = `translateX(${-100 * frame / frames}%)`;
    table.setAttribute("aria-valuenow", told);
    table.setAttribute("aria-valuetext", `${told} degrees`);
  }
  for (const needle of document.querySelectorAll(".needle")) {
    needle.setAttribute("transform", `rotate(${-report.angle} ${needle.getAttribute("x1")} ${needle.getAttribute("y1")})`);
  }
  const slider = document.getElementById("azimuth");
  if (slider) {
    slider.value = told;
    document.getElementById("angle").textContent = `${told}°`;
  }
};

report.keys = { ArrowRight: 10, ArrowUp: 10, ArrowLeft: -10, ArrowDown: -10, PageUp: 90, PageDown: -90 };

for (const table of document.querySelectorAll(".turn")) {
  let from = null;
  table.addEventListener("pointerdown", event => {
    from = { x: event.clientX, angle: report.angle };
    table.setPointerCapture(event.pointerId);
    report.play(false);
  });
  table.addEventListener("pointermove", event => {
    // The object follows the hand, so the camera goes the other way; the width of a turntable is half a turn.
    if (from) report.turn(from.angle - (event.clientX - from.x) / table.clientWidth * 180);
  });
  for (const end of ["pointerup", "pointercancel"]) table.addEventListener(end, () => { from = null; });
  table.addEventListener("keydown", event => {
    const step = report.keys[event.key];
    if (step === undefined && event.key !== "Home") return;
    event.preventDefault();
    report.turn(event.key === "Home" ? 0 : Math.round(report.angle / 10) * 10 + step);
  });
}

report.timer = 0;
report.play = on => {
  clearInterval(report.timer);
  report.timer = on ? setInterval(() => report.turn(report.angle + 5), 60) : 0;
  document.getElementById("play")?.setAttribute("aria-pressed", String(Boolean(on)));
};

const controls = document.querySelector(".controls");
if (controls && document.querySelector(".turn")) {
  controls.hidden = false;
  document.getElementById("azimuth").addEventListener("input", event => report.turn(Number(event.target.value)));
  document.getElementById("play").addEventListener("click", () => report.play(!report.timer));
}

// ---- values of single views -----------------------------------------------------------------------------------------

for (const probe of document.querySelectorAll(".probe")) {
  const values = probe.dataset.values.split(" "), places = probe.dataset.angles.split(" ");
  const parts = [...probe.querySelectorAll("circle[fill], .bars path")];
  parts.forEach((part, i) => part.addEventListener("pointerenter", () => {
    const [azimuth, elevation] = places[i].split(",");
    const reading = document.getElementById("reading");
    const said = `azimuth ${azimuth}°, elevation ${elevation}°: ${values[i]}${probe.dataset.unit}`;
    if (reading) reading.textContent = said;
    probe.title = said;
  }));
}

// ---- 3-D ------------------------------------------------------------------------------------------------------------

report.load = source => new Promise((resolve, reject) => {
  const script = document.createElement("script");
  script.src = source;
  script.onload = resolve;
  script.onerror = () => reject(new Error(`${source} is missing`));
  document.head.append(script);
});

report.show = async button => {
  const source = button.dataset.model, id = source.split("/").pop().slice(0, -3);
  button.disabled = true;
  button.textContent = "Loading…";
  try {
    const root = source.slice(0, source.lastIndexOf("models/"));
    if (!customElements.get("model-viewer")) await report.load(`${root}static/model-viewer.min.js`);
    await report.load(source);
    const bytes = Uint8Array.from(atob(report.models[id]), letter => letter.charCodeAt(0));
    delete report.models[id];
    const viewer = document.createElement("model-viewer");
    viewer.setAttribute("camera-controls", "");
    viewer.setAttribute("shadow-intensity", "0");
    viewer.setAttribute("interaction-prompt", "none");
    viewer.setAttribute("alt", button.dataset.alt);
    viewer.src = URL.createObjectURL(new Blob([bytes], { type: "model/gltf-binary" }));
    button.parentElement.replaceWith(viewer);
  } catch (error) {
    button.textContent = `No 3-D: ${error.message}`;
  }
};

for (const button of document.querySelectorAll("button[data-model]")) {
  button.parentElement.hidden = false;
  button.addEventListener("click", () => report.show(button));
}
// A link into a page whose details are closed opens them.
document.querySelector(location.hash && CSS.escape ? `#${CSS.escape(location.hash.slice(1))} details` : "nothing")?.setAttribute("open", "");
