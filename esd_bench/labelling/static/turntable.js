// A turntable: the views of a ring in one picture, drawn one at a time; turned by drag, touch and arrow keys.
"use strict";

const SIDES = ["the front", "the front left", "the left", "the back left", "the back", "the back right", "the right", "the front right"];

class Turntable {
  constructor(canvas) {
    this.canvas = canvas;
    this.count = Number(canvas.dataset.count);
    this.columns = Number(canvas.dataset.columns);
    this.view = 0;
    this.sheet = new Image();
    this.sheet.onload = () => this.draw();
    this.sheet.src = canvas.dataset.src;
    canvas.addEventListener("pointerdown", (event) => this.grab(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    canvas.addEventListener("lostpointercapture", () => (this.held = null));
  }

  draw() {
    const { width, height } = this.canvas, column = this.view % this.columns, row = Math.floor(this.view / this.columns);
    const pen = this.canvas.getContext("2d");
    if (this.sheet.complete && this.sheet.naturalWidth)
      pen.drawImage(this.sheet, column * width, row * height, width, height, 0, 0, width, height);
    const degrees = Math.round((360 * this.view) / this.count);
    this.canvas.setAttribute("aria-valuenow", degrees);
    this.canvas.setAttribute("aria-valuetext", `seen from ${SIDES[Math.round(degrees / 45) % 8]}, ${degrees} degrees`);
  }

  turn(to) {
    this.view = ((Math.round(to) % this.count) + this.count) % this.count;
    this.draw();
  }

  grab(event) {
    this.held = { x: event.clientX, view: this.view };
    this.canvas.setPointerCapture(event.pointerId);
  }

  // Once across the picture is once around; what is dragged to the right turns to the right.
  drag(event) {
    if (!this.held) return;
    const across = (event.clientX - this.held.x) / this.canvas.clientWidth;
    const moved = new CustomEvent("turned", { detail: this.held.view - across * this.count, bubbles: true });
    this.canvas.dispatchEvent(moved);
  }
}
