// The page of one rater: clicks and keys, a queue that loses none of them, and what is enlarged.
"use strict";

const $ = (query, of = document) => of.querySelector(query);
const $$ = (query, of = document) => [...of.querySelectorAll(query)];
const PLACE = `esd-label-queue-${document.body.dataset.queue}`;
const store = {
  get: (name) => { try { return localStorage.getItem(name); } catch { return null; } },
  set: (name, value) => { try { localStorage.setItem(name, value); } catch { /* a private window: the queue lives in memory */ } },
};

let queue = stored();
let pumping = false, moving = false, active = 0, turntables = [], noteTimer = null;

// ---- sending: every click has a key of its own, stays in the browser's store until the server has it, and goes in order

function stored() {
  return JSON.parse(store.get(PLACE) || "[]");
}

// Read, changed and written at once, because another window of the same rater keeps its clicks there as well.
function keep(changed) {
  store.set(PLACE, JSON.stringify(changed(stored())));
}

function send(kind, criterion = "", value = "") {
  const slot = $(".card").dataset.slot;
  const click = { key: crypto.getRandomValues(new Uint32Array(4)).join("-"), slot, kind, criterion, value };
  queue.push(click);
  keep((clicks) => [...clicks, click]);
  if (kind === "done" || kind === "undo") busy(true);
  pump();
}

async function pump(moved = false) {
  if (pumping) return;
  pumping = true;
  while (queue.length) {
    const answer = await post(queue[0]);
    if (answer === null || answer >= 500) { say("Not stored yet, trying again …", true); await sleep(700); continue; }
    if (answer === 401) return location.reload();  // somebody else has begun in this browser: the clicks wait in its store
    if (answer === 403) { say("Open the study's link again: nothing is lost.", true); break; }
    const sent = queue.shift();
    moved = moved || answer !== 200 || sent.kind === "done" || sent.kind === "undo";
    keep((clicks) => clicks.filter((click) => click.key !== sent.key));
    say("Stored");
  }
  pumping = false;
  if (moved && !queue.length) htmx.trigger(document.body, "moved");
}

async function post(click) {
  const headers = { "X-CSRF-Token": $("meta[name=csrf]").content, "X-Rater": document.body.dataset.rater };
  try {
    return (await fetch("/event", { method: "POST", headers, body: new URLSearchParams(click) })).status;
  } catch { return null; }
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function say(text, bad = false) {
  const line = $("#saved");
  if (line.textContent !== text) line.textContent = text;
  line.classList.toggle("bad", bad);
}

function busy(now) {
  moving = now;
  $("#main").setAttribute("aria-busy", String(now));
}

// ---- the card

document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "main") return;
  busy(false);
  turntables = $$(".turntable").map((canvas) => new Turntable(canvas));
  mark(Math.max(0, questions().findIndex((question) => !answered(question))));
  $("h1", event.target).focus({ preventScroll: true });
  for (const [name, id] of Object.entries($(".card").dataset)) if (name.startsWith("next")) fetchAhead(id);
});
for (const failed of ["htmx:sendError", "htmx:responseError"])
  document.body.addEventListener(failed, (event) => {
    if (event.target.id !== "main") return;
    if (event.detail.xhr.status === 401) return location.reload();
    say("The study can't be reached, trying again …", true);
    setTimeout(() => htmx.trigger(document.body, "moved"), 1000);
  });

function fetchAhead(id) {
  for (const name of ["ring", "sphere"]) new Image().src = `/asset/${id}/${name}.png`;
}

const questions = () => $$(".question");
const answered = (question) => $("[aria-pressed=true]", question) !== null;

function mark(index) {
  active = Math.min(Math.max(index, 0), questions().length - 1);
  questions().forEach((question, i) => question.classList.toggle("active", i === active));
  const next = $("#next");
  if (next) next.disabled = !questions().every(answered);
}

function answer(question, button) {
  if (moving || !button) return;
  $$(".answer", question).forEach((x) => x.setAttribute("aria-pressed", String(x === button)));
  $("#undo").disabled = false;
  send("answer", question.dataset.criterion, button.dataset.value);
  const all = questions(), later = all.findIndex((x, i) => i > all.indexOf(question) && !answered(x));
  const open = later >= 0 ? later : all.findIndex((x) => !answered(x));
  mark(open >= 0 ? open : all.indexOf(question));
}

function next() {
  if (moving || !$("#next") || $("#next").disabled) return;
  keepNote();
  send("done");
}

function undo() {
  if (moving || $("#undo").disabled) return;
  keepNote();
  send("undo");
}

function keepNote() {
  clearTimeout(noteTimer);
  const note = $("#note");
  if (!note || note.value === note.defaultValue) return;
  note.defaultValue = note.value;
  $("#undo").disabled = false;
  send("note", "", note.value);
}

function turn(by) {
  if (turntables.length) turnTo(turntables[0].view + by);
}

function turnTo(view) {
  turntables.forEach((one) => one.turn((view * one.count) / turntables[0].count));
}

function enlarge() {
  const large = $("#large");
  if (!$(".sphere") || large.open) return;
  $("#sheets").replaceChildren(...$$(".sphere").map((image) => image.cloneNode()));
  large.showModal();
}

async function solid(button) {
  const pane = button.closest(".pane"), shown = $("model-viewer", pane), flat = $(".turntable", pane);
  button.setAttribute("aria-pressed", String(!shown));
  const side = flat ? flat.clientHeight : 300;
  if (flat) flat.hidden = !shown;
  if (shown) return shown.remove();
  await viewer();
  if ($("model-viewer", pane)) return;  // asked for twice while it was loading
  const model = document.createElement("model-viewer");
  for (const [name, value] of [["src", button.dataset.model], ["camera-controls", ""], ["interaction-prompt", "none"], ["alt", "the object in 3-D"]])
    model.setAttribute(name, value);
  model.style.height = `${side}px`;
  const bar = document.createElement("span");  // instead of the viewer's own bar
  bar.slot = "progress-bar";
  model.append(bar);
  pane.append(model);
}

let loading = null;
function viewer() {
  loading ??= new Promise((done) => {
    const script = document.createElement("script");
    script.src = "/static/vendor/model-viewer.min.js";
    script.onload = done;
    document.head.append(script);
  });
  return loading;
}

// ---- mouse, touch and keys

document.body.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.classList.contains("answer")) answer(button.closest(".question"), button);
  else if (button.classList.contains("mesh")) solid(button);
  else if (button.id === "next") next();
  else if (button.id === "undo") undo();
  else if (button.id === "enlarge") enlarge();
  else if (button.id === "help") $("#keys").showModal();
  // After a mouse the space bar means "next" again.
  if (event.detail > 0) button.blur();
});
document.body.addEventListener("turned", (event) => turnTo(event.detail));
document.body.addEventListener("focusin", (event) => {
  const question = event.target.closest(".question");
  if (question) mark(questions().indexOf(question));
});
document.body.addEventListener("input", (event) => {
  if (event.target.id !== "note") return;
  clearTimeout(noteTimer);
  noteTimer = setTimeout(keepNote, 800);
});
document.body.addEventListener("focusout", (event) => event.target.id === "note" && keepNote());
window.addEventListener("pagehide", keepNote);

const KEYS = {
  ArrowLeft: () => turn(-1), ArrowRight: () => turn(1), q: () => turn(-1), e: () => turn(1),
  ArrowUp: () => mark(active - 1), ArrowDown: () => mark(active + 1), r: () => mark(active - 1), f: () => mark(active + 1),
  " ": next, Enter: next, z: undo, Backspace: undo, g: enlarge, "?": () => $("#keys").showModal(),
  v: () => $$(".mesh").forEach(solid), c: () => $("#note")?.focus(),
};

function pressed(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || $("dialog[open]")) return null;
  const at = event.target, slider = at.classList.contains("turntable") && event.key.startsWith("Arrow");
  if (at.matches("textarea, input")) return event.key === "Escape" ? () => at.blur() : null;
  if (at.closest("model-viewer") || (at.matches("button, a") && [" ", "Enter"].includes(event.key))) return null;
  if (!$("#shortcuts").checked && !slider) return null;
  const question = questions()[active], choice = question && $$(".answer", question)[Number(event.key) - 1];
  if (/^[1-9]$/.test(event.key)) return choice ? () => answer(question, choice) : null;
  return KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key] || null;
}

document.addEventListener("keydown", (event) => {
  const act = pressed(event);
  if (!act || (event.repeat && !/^(Arrow|q|e)/.test(event.key))) return;
  event.preventDefault();
  act();
});

document.addEventListener("DOMContentLoaded", () => {
  const box = $("#shortcuts");
  box.checked = store.get("esd-label-keys") !== "off";
  box.addEventListener("change", () => store.set("esd-label-keys", box.checked ? "on" : "off"));
  if (queue.length) pump(true);
});
