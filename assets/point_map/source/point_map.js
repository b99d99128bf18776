// The map of patients: points are sent once and stay in the browser, which colors them, finds those in a lasso, and
// sends back their rows. Colors and legend, and the selection, come in messages of their own; see looks.js.

import createScatterplot from "regl-scatterplot";
import { Tip, button, element, legend } from "./legend.js";
import { marked } from "./marks.js";
import { decodeRows, encodeRows, fromText, inflate, uint16, unpack } from "./wire.js";

const EXTENSIONS = ["OES_texture_float", "OES_element_index_uint", "WEBGL_color_buffer_float", "EXT_float_blend"];
const STEP = 0.2, ZOOM = 1.4; // of what is in view, of a key or a button
const A_CLICK = 12; // pixels that the pointer may travel in one
const NO_VALUE = 65535;
const NOBODY_INSIDE = "No patient lies inside the loop, so nobody is selected.";
const NOBODY_IN_VIEW = "No patient is in view, so the selection stays as it was. The button Whole, or the key Home, brings them back.";

function hasWebGL() {
  const gl = document.createElement("canvas").getContext("webgl");
  return gl !== null && EXTENSIONS.every((name) => gl.getExtension(name) !== null);
}

class PointMap {
  constructor(component, message) {
    this.take(component);
    this.stamp = message.head.stamp;
    this.n = message.head.n;
    this.head = message.head;
    const place = (bytes) => Float32Array.from(uint16(bytes), (value) => (value / 65535) * 1.9 - 0.95);
    this.x = place(message.parts.x);
    this.y = place(message.parts.y);
    this.died = message.parts.died;
    this.columns = message.head.columns.map((column, i) => ({
      ...column,
      first: uint16(message.parts[`first${i}`]),
      last: message.parts[`last${i}`] ? uint16(message.parts[`last${i}`]) : null,
    }));
    this.ready = inflate(message.parts.keys).then((bytes) => (this.keys = new TextDecoder().decode(bytes).split("\n")));
    this.queue = Promise.resolve();
    this.build();
  }

  take({ parentElement, setTriggerValue, setStateValue }) {
    this.parent = parentElement;
    this.send = setTriggerValue;
    this.state = setStateValue;
  }

  build() {
    this.root = element("div", "pp-map");
    this.stage = element("div", "pp-map-stage");
    this.stage.tabIndex = 0;
    this.stage.setAttribute("role", "application");
    this.stage.addEventListener("keydown", (event) => this.key(event));
    this.canvas = element("canvas", "pp-map-canvas");
    this.labels = element("div", "pp-map-labels");
    this.said = element("div", "pp-map-said"); // why nothing was selected
    this.said.setAttribute("role", "status");
    this.stage.append(this.canvas, this.labels, this.said);
    this.tip = new Tip(this.stage);
    this.legend = element("div", "");
    this.root.append(this.tools(), this.stage, this.legend);
    this.parent.append(this.root);
    const { clientWidth: width, clientHeight: height } = this.stage;
    this.plot = createScatterplot({
      canvas: this.canvas, width, height, aspectRatio: width / height, mouseMode: "lasso", cameraIsFixed: true,
      colorBy: "valueA", sizeBy: "valueB", lassoInitiator: false, deselectOnEscape: false, pointOutlineWidth: 0,
      pointSizeSelected: 0, opacityInactiveMax: 0.12, opacityInactiveScale: 1, lassoColor: [0, 0.45, 0.7, 1],
    });
    this.plot.subscribe("select", ({ points }) => this.selected(points));
    this.plot.subscribe("deselect", () => this.selected([]));
    this.plot.subscribe("lassoEnd", () => {
      if (!this.plot.get("selectedPoints").length) this.said.textContent = NOBODY_INSIDE;
    });
    this.plot.subscribe("pointOver", (at) => this.point(this.marks.rows[at]));
    this.plot.subscribe("pointOut", () => this.tip.hide());
    this.plot.subscribe("view", () => this.placeLabels());
    // A loop that ends where it began is a click to the browser too, which would select the one point under it.
    this.path = 0;
    this.stage.addEventListener("mousedown", () => (this.path = 0), true);
    this.stage.addEventListener("mousemove", (event) => (this.path += Math.hypot(event.movementX, event.movementY)), true);
    this.stage.addEventListener("click", (event) => this.path > A_CLICK && event.stopPropagation(), true);
    this.canvas.addEventListener("webglcontextlost", () => this.state("missing", true));
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(this.stage);
  }

  tools() {
    const bar = element("div", "pp-map-tools");
    const mode = (name) => () => {
      this.plot.set({ mouseMode: name, cameraIsFixed: name === "lasso" });
      lasso.setAttribute("aria-pressed", String(name === "lasso"));
      move.setAttribute("aria-pressed", String(name !== "lasso"));
    };
    const lasso = button("Lasso", "Drag around patients to select them; click one to select it", mode("lasso"), true);
    const move = button("Move", "Drag to move the map, turn the wheel to come closer", mode("panZoom"), false);
    bar.append(
      lasso,
      move,
      button("+", "Closer", () => this.zoom(1 / ZOOM)),
      button("−", "Farther", () => this.zoom(ZOOM)),
      button("Whole", "The whole map", () => this.plot.reset()),
      button("Select what is in view", "Selects every patient that the map shows now", () => this.inView()),
      button("PNG", "Save the map as a picture", () => this.picture()),
    );
    return bar;
  }

  // Draw what is new of a look and a selection, one after another; what has been followed by a newer one is left out.
  follow({ look, selection }) {
    const next = (part, value, act) => {
      if (!value || this[part] === value) return;
      this[part] = value;
      this.queue = this.queue.then(() => this[part] === value && act(value)).catch((error) => console.error(error));
    };
    next("look", look, (now) => this.paint(now));
    next("selection", selection, (now) => this.painted && this.mark(now));
  }

  async paint(look) {
    const bits = async (text) => (text ? fromText(text) : null);
    const values = await fromText(look.values);
    this.codes = look.range ? shaded(uint16(values), look) : values;
    this.groups = look.labels ? await fromText(look.labels) : this.codes;
    this.marks = marked(this.n, this.codes, await bits(look.ring), await bits(look.hollow), look.colors.length);
    const ground = getComputedStyle(this.root).getPropertyValue("--st-background-color").trim() || "#ffffff";
    const colors = [...look.colors, look.hazard, ground];
    const { rows, code, size } = this.marks;
    const at = (axis) => Float32Array.from(rows, (row) => axis[row]);
    this.plot.set({
      backgroundColor: ground, pointColor: colors, pointColorActive: colors, pointColorHover: colors,
      pointSize: [look.size, look.size + 4, Math.max(look.size - 3, 1)], opacity: 0.85,
    });
    const points = { x: at(this.x), y: at(this.y), valueA: code, valueB: size };
    await this.plot.draw(points, { zDataType: "categorical", wDataType: "categorical" });
    if (this.selection) await this.mark(this.selection);
    this.stage.setAttribute("aria-label", look.alt);
    this.legend.replaceChildren(legend(look, (group) => this.sendRows("legend", this.rowsOf(group))));
    this.nameGroups(look);
    this.painted = look;
  }

  // Selection

  async mark(selection) {
    this.shown = selection.selection ? await decodeRows(selection.selection) : [];
    if (!this.shown.length) this.plot.deselect({ preventEvent: true });
    else this.plot.select(this.shown.flatMap(this.marks.drawn), { preventEvent: true });
    this.marked = selection;
  }

  selected(points) {
    const how = this.path > A_CLICK ? "lasso" : "click";
    this.sendRows(how, [...new Set(points.map((at) => this.marks.rows[at]))]);
  }

  rowsOf(group) {
    return Array.from(this.codes.keys()).filter((row) => this.codes[row] === group);
  }

  // how: by lasso, click, legend or view; the selection is called by it
  async sendRows(how, rows) {
    this.said.textContent = "";
    this.send("rows", `${how}:${rows.length ? await encodeRows(rows) : ""}`);
  }

  inView() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const rows = Array.from(this.x.keys()).filter((row) => {
      const [x, y] = this.plot.getScreenPosition(this.marks.first + row);
      return x >= 0 && y >= 0 && x <= width && y <= height;
    });
    if (rows.length) this.sendRows("view", rows);
    else this.said.textContent = NOBODY_IN_VIEW;
  }

  // What the pointer says

  point(row) {
    if (!this.keys) return;
    const told = this.columns.map((column) => {
      const last = column.last ? ` → ${number(column, column.last[row])}` : "";
      return `${column.label} ${number(column, column.first[row])}${last} ${column.unit}`.trim();
    });
    const outcome = this.head.outcomes[this.died[row]];
    const group = this.look.names[this.groups[row]];
    const lines = [`Patient ${this.keys[row]}`, [told[0], outcome].filter(Boolean).join(" · "), ...told.slice(1), group];
    this.tip.show(lines.filter(Boolean), this.plot.getScreenPosition(this.marks.first + row), this.stage.clientWidth);
  }

  // Numbers of the groups, each at the point nearest to the middle of its group

  nameGroups(look) {
    this.named = look.numbered
      ? look.names.map((_, group) => ({ group, row: this.middle(group) })).filter(({ row }) => row >= 0)
      : [];
    this.labels.replaceChildren(
      ...this.named.map(({ group }) => {
        const made = element("span", "pp-map-label", String(group));
        made.style.borderColor = look.colors[group];
        return made;
      }),
    );
    this.placeLabels();
  }

  middle(group) {
    const rows = this.rowsOf(group);
    if (!rows.length) return -1;
    const median = (axis) => rows.map((row) => axis[row]).sort((a, b) => a - b)[rows.length >> 1];
    const x = median(this.x), y = median(this.y);
    const away = (row) => (this.x[row] - x) ** 2 + (this.y[row] - y) ** 2;
    return rows.reduce((best, row) => (away(row) < away(best) ? row : best));
  }

  placeLabels() {
    this.tip.hide();
    (this.named ?? []).forEach(({ row }, i) => {
      const [x, y] = this.plot.getScreenPosition(this.marks.first + row);
      this.labels.children[i].style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%)`;
    });
  }

  // Moving

  zoom(by) {
    this.plot.set({ cameraDistance: this.plot.get("cameraDistance") * by });
    this.placeLabels();
  }

  key(event) {
    const [x, y] = this.plot.get("cameraTarget"), step = STEP * this.plot.get("cameraDistance");
    const to = (dx, dy) => this.plot.set({ cameraTarget: [x + dx * step, y + dy * step] });
    const acts = {
      ArrowLeft: () => to(-1, 0), ArrowRight: () => to(1, 0), ArrowUp: () => to(0, 1), ArrowDown: () => to(0, -1),
      "+": () => this.zoom(1 / ZOOM), "-": () => this.zoom(ZOOM), Home: () => this.plot.reset(),
      Enter: () => this.inView(), Escape: () => this.sendRows("click", []),
    };
    if (event.target !== this.stage || !acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
    this.placeLabels();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (width && height) this.plot.set({ width, height, aspectRatio: width / height });
    if (this.marks) this.placeLabels();
  }

  picture() {
    const image = this.plot.export();
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: image.width, height: image.height });
    canvas.getContext("2d").putImageData(image, 0, 0);
    const link = Object.assign(document.createElement("a"), { href: canvas.toDataURL(), download: "phenotype-map.png" });
    link.click();
  }

  destroy() {
    this.watch.disconnect();
    this.plot.destroy();
    this.root.remove();
  }
}

function shaded(values, { low, high, from, to, colors }) {
  const last = colors.length - 2;
  return Uint8Array.from(values, (value) => {
    if (value === NO_VALUE) return last + 1;
    const real = from + (value / (NO_VALUE - 1)) * (to - from);
    return Math.round(Math.min(Math.max((real - low) / (high - low), 0), 1) * last);
  });
}

function number({ from, to, decimals }, value) {
  const real = from + (value / (NO_VALUE - 1)) * (to - from);
  const digits = decimals === null ? { maximumSignificantDigits: 4 } : { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return real.toLocaleString("en-US", digits);
}

export default function pointMap(component) {
  const message = unpack(component.data);
  const maps = (window.phenopolicyMaps ??= new Map());
  const entry = maps.get(message.head.id) ?? {};
  maps.set(message.head.id, entry);
  if (!hasWebGL()) {
    component.setStateValue("missing", true);
    return undefined;
  }
  const same = entry.map?.stamp === message.head.stamp && entry.map.parent === component.parentElement;
  if (same) entry.map.take(component);
  else {
    entry.map?.destroy();
    entry.map = new PointMap(component, message);
    entry.map.follow(entry);
  }
  return () => {
    if (entry.map?.parent !== component.parentElement) return;
    entry.map.destroy();
    entry.map = entry.look = entry.selection = undefined;
  };
}
