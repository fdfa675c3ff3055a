// Draws a trace (docs/trace.md) into an element: who sent what to whom, what each host believed, and why.
//
// It knows the format and no protocol, so that it serves the simulator's page, an agent's live page, and any other
// writer of traces. `tidingsViewer.show(element, lines)` draws and returns a handle: `append(lines)` as more happens,
// `select(number)` for a row of the event list, `at(t_us)` for a moment. Whatever a trace says is text, never markup.
"use strict";
globalThis.tidingsViewer = (() => {
const AXIS = 32, LANE = 17, LANES = 5, ROW = 23; // heights in CSS pixels, and how many lanes faults get
const LINES_MAX = 2500; // more datagrams than that in view are drawn as bars
const COLOURS = { state: 6, ink: 6, kind: 7, fault: 4 }; // how many of each the style sheet has
const DASHES = [[], [7, 3], [2, 2.5], [10, 3, 2, 3], [4, 2], [1, 3], [12, 4]];
const RUNS = { up: "runs", resumed: "runs", paused: "paused", down: "down", left: "left" };
const SIGNS = { paused: "‖", down: "✕", left: "⇥", absent: "–", host: "▸", fault: "▒", note: "i", violation: "!" };

/** How many entries of `list`, sorted by `key`, have `key(entry) <= value`. */
function countUpTo(list, value, key = (entry) => entry.t) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(list[middle]) <= value) low = middle + 1; else high = middle;
  }
  return low;
}

/** What the lines say, in the shape that drawing asks for. */
class Trace {
  header = null;
  hosts = []; // {name, runs: [{t, as}], opinions: Map(row of the subject -> [item])}; a row is a place here
  items = []; // the event list: all that is not a datagram
  faults = []; // of these, each with the first lane that was free
  lanes = []; // until when each is taken
  grams = []; // datagrams, by the time they were sent
  kinds = []; // {what, count} of datagrams, by first appearance
  bad = []; // numbers of the lines that could not be read
  lines = 0;
  end = 0;
  #last = 0;
  #rows = new Map();
  #byId = new Map();
  #reach = null;

  /** Takes the next line; one that cannot be read is counted and skipped. */
  add(text) {
    this.lines += 1;
    try { if (text.trim()) this.#take(JSON.parse(text)); } catch { this.bad.push(this.lines); }
  }
  #take(line) {
    if (!this.header) {
      if (line.trace !== "tidings") throw new Error("not a header");
      this.end = Number(line.end_us) || 0;
      this.header = { title: "a trace", states: [], hosts: [], ...line };
      return this.header.hosts.forEach(({ host, name }) => this.row(host, name));
    }
    if (!Number.isFinite(line.t_us)) throw new Error("no time");
    // Searches rely on the order, so a line that claims to be earlier is shown when it was written.
    this.#last = line.t_us = Math.max(line.t_us, this.#last);
    this.end = Math.max(this.end, line.t_us);
    this.#reach = null;
    if (line.kind === "send") this.#send(line);
    else if (line.kind === "recv" || line.kind === "drop") this.#arrive(line, this.#byId.get(line.id));
    else if (line.kind === "why") this.#why(line);
    else if (["event", "host", "fault", "note", "violation"].includes(line.kind)) this.#item(line);
  }
  /** The row of a host; one that the header does not name gets the next. */
  row(number, name = `host ${number}`) {
    if (number === undefined || number === null) return -1;
    if (!this.#rows.has(number)) {
      this.#rows.set(number, this.hosts.push({ name: String(name), runs: [], opinions: new Map() }) - 1);
    }
    return this.#rows.get(number);
  }
  #send({ t_us: t, host, peer, id, what = "datagram", bytes }) {
    let kind = this.kinds.findIndex((known) => known.what === what);
    if (kind < 0) kind = this.kinds.push({ what, count: 0 }) - 1;
    this.kinds[kind].count += 1;
    const gram = { t, until: t, from: this.row(host), to: this.row(peer), kind, bytes, received: [], lost: null };
    this.#byId.set(id, gram);
    this.grams.push(gram);
  }
  #arrive({ kind, t_us: t, host, why = "lost" }, gram) {
    if (!gram) return; // sent before this trace began
    if (kind === "recv") gram.received.push({ t, at: this.row(host) }); else gram.lost = { t, why };
    gram.until = t;
  }
  #item({ t_us: t, kind, host, about, what, check, text = "", state, hosts = [], until_us = Infinity }) {
    const item = { n: this.items.length + 1, t, until: kind === "fault" ? until_us : t, kind, row: this.row(host),
      about: this.row(about), what: String(what ?? check ?? kind), text: String(text), state: -1, steps: null,
      hosts: hosts.map((one) => this.row(one)) };
    const { runs, opinions } = this.hosts[item.row] ?? {}, { states } = this.header;
    this.items.push(item);
    if (runs && kind === "host" && RUNS[what]) {
      runs.push({ t, as: RUNS[what] });
      // A process that ends takes its opinions with it, and a new one starts with none.
      if (what !== "paused" && what !== "resumed") for (const changes of opinions.values()) changes.push(item);
    } else if (runs && item.about >= 0 && state !== undefined) {
      if (state !== null && !states.includes(state)) states.push(state);
      item.state = states.indexOf(state);
      if (!opinions.has(item.about)) opinions.set(item.about, []);
      opinions.get(item.about).push(item);
    } else if (kind === "fault") {
      const lane = this.lanes.findIndex((until) => until <= t);
      item.lane = lane < 0 ? this.lanes.length : lane;
      this.lanes[item.lane] = item.until;
      this.faults.push(item);
    }
  }
  #why({ host, about, steps }) {
    const verdict = this.items.findLast((item) => item.kind === "event" && item.row === this.row(host));
    if (verdict?.about !== this.row(about)) return;
    verdict.steps = steps.map((step) => ({ t: step.t_us, text: String(step.text), row: this.row(step.host) }));
  }
  /** Whether a host runs at `t`: "runs", "paused", "down", "left", or "absent" before its first start. */
  running(row, t) {
    const { runs } = this.hosts[row];
    return runs[countUpTo(runs, t) - 1]?.as ?? (runs[0]?.as === "runs" ? "absent" : "runs");
  }
  /** The event that made the opinion of `observer` about `subject` at `t`, or that ended it. */
  opinion(observer, subject, t) {
    const changes = this.hosts[observer].opinions.get(subject) ?? [];
    return changes[countUpTo(changes, t) - 1];
  }
  /** The range of datagrams that may be under way between `from` and `to`. */
  gramRange(from, to) {
    let most = 0;
    this.#reach ??= this.grams.map((gram) => (most = Math.max(most, gram.until)));
    return [countUpTo(this.#reach, from - 1, (reach) => reach), countUpTo(this.grams, to)];
  }
  name(row) { return this.hosts[row]?.name ?? ""; }
  names(rows) { return rows.length ? rows.map((row) => this.name(row)).join(" ") : "all"; }
  whom(item) { return item.kind === "fault" ? this.names(item.hosts) : this.name(item.about); }
  sentence(item) { return `${this.name(item.row)} ${item.what} ${this.whom(item)} ${item.text}`.trim(); }
}

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const number = (n) => n.toLocaleString("en");
const plural = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;
const seconds = (t, digits = 3) => `${(t / 1e6).toFixed(digits)} s`;
const later = (us) => (us < 1e6 ? `${(us / 1e3).toFixed(us < 1e5 ? 1 : 0)} ms` : seconds(us, 2));

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// Paths of stretches `[x, y, x2, y2]`, of a polygon's corners, of dots `[x, y, r]`, of a box; the stretches of a cross.
const path = (draw, made = new Path2D()) => { draw(made); return made; };
const segments = (list) => path((p) => list.forEach(([x, y, x2, y2]) => { p.moveTo(x, y); p.lineTo(x2, y2); }));
const polygon = (...corners) => path((p) => { corners.forEach(([x, y]) => p.lineTo(x, y)); p.closePath(); });
const dots = (list) => path((p) => list.forEach(([x, y, r]) => { p.moveTo(x + r, y); p.arc(x, y, r, 0, 7); }));
const circle = (...dot) => dots([dot]);
const box = (x, y, w, h, r = 0) => path((p) => p.roundRect(x, y, w, h, r));
const cross = (x, y, r) => [[x - r, y - r, x + r, y + r], [x - r, y + r, x + r, y - r]];

/** A canvas and how to draw on it, in CSS pixels and the theme's colours. */
class Surface {
  constructor(viewer, canvas) { Object.assign(this, { viewer, canvas, ctx: canvas.getContext("2d") }); }
  get trace() { return this.viewer.trace; }
  get theme() { return this.viewer.theme; }
  stateColour(state) { return this.theme.state[state % COLOURS.state] ?? this.theme.muted; }
  /** Clears it, as sharp as the screen is; whether it can be seen at all. */
  begin(w = this.canvas.clientWidth, h = this.canvas.clientHeight, ratio = globalThis.devicePixelRatio || 1) {
    [this.w, this.h, this.canvas.width, this.canvas.height] = [w, h, Math.round(w * ratio), Math.round(h * ratio)];
    this.ctx.scale(ratio, ratio);
    return w > 0 && h > 0;
  }
  stroke(shape, colour, width = 1, { dash = [], alpha = 1 } = {}) {
    this.ctx.setLineDash(dash);
    Object.assign(this.ctx, { strokeStyle: colour, lineWidth: width, globalAlpha: alpha });
    this.ctx.stroke(shape);
  }
  fill(shape, colour, alpha = 1) {
    Object.assign(this.ctx, { fillStyle: colour, globalAlpha: alpha });
    this.ctx.fill(shape);
  }
  /** Writes a text, shortened to `room`, with a halo where it may lie on lines; returns its width. */
  text(text, x, y, colour, { size = 11, weight = 400, align = "left", room = Infinity, halo = false } = {}) {
    const { ctx, theme } = this, font = `${weight} ${size}px ${theme.font}`;
    Object.assign(ctx, { font, fillStyle: colour, textAlign: align, textBaseline: "middle", globalAlpha: 1 });
    const whole = ctx.measureText(text).width;
    if (whole > room) text = `${text.slice(0, Math.max(0, Math.floor(text.length * room / whole) - 1))}…`;
    if (room < 10) return 0;
    ctx.setLineDash([]);
    Object.assign(ctx, { strokeStyle: theme.bg, lineWidth: 3, lineJoin: "round" });
    if (halo) ctx.strokeText(text, x, y);
    ctx.fillText(text, x, y);
    return Math.min(whole, room);
  }
  /** The widest of the hosts' names. */
  widest(size) {
    const name = this.trace.hosts.reduce((most, { name }) => (name.length > most.length ? name : most), "n0");
    this.ctx.font = `${size}px ${this.theme.font}`;
    return Math.ceil(this.ctx.measureText(name).width);
  }
  /** A state's mark: each place in the list of states has a shape of its own besides its colour. */
  mark(state, x, y, r) {
    const s = r * 0.87, hollow = state === 3 || state < 0, colour = this.stateColour(state), { bg, ink } = this.theme;
    const shape = state === 1 ? polygon([x, y - r], [x + r, y + s], [x - r, y + s])
      : state === 2 ? box(x - s, y - s, 2 * s, 2 * s)
      : state === 0 || state === 3 ? circle(x, y, s) : polygon([x, y - r], [x + r, y], [x, y + r], [x - r, y]);
    this.fill(shape, hollow ? bg : colour);
    this.stroke(shape, hollow ? colour : bg, hollow ? 2 : 1.2);
    if (state === 2 && r > 4) this.stroke(segments(cross(x, y, r / 2)), ink[2], 1.4);
  }
}

/** The space-time diagram: time to the right, a lifeline per host. */
class Diagram extends Surface {
  scroll = 0;
  hidden = new Set(); // kinds of datagrams by number

  x(t) { return this.left + (t - this.viewer.t0) / (this.viewer.t1 - this.viewer.t0) * this.plot; }
  time(x) { return this.viewer.t0 + (x - this.left) / this.plot * (this.viewer.t1 - this.viewer.t0); }
  y(row) { return this.top + (row + 0.5) * this.rowH - this.scroll; }
  has(row) { return row >= this.firstRow && row < this.lastRow; }
  inside(x) { return x >= this.left - 1 && x <= this.left + this.plot + 1; }
  draw() {
    Object.assign(this, { hits: [], lines: [], drawn: { rows: 0, lines: 0, bars: 0, marks: 0, steps: 0 } });
    if (!this.begin()) return;
    this.layout();
    this.drawAxis();
    for (const fault of this.trace.faults) this.drawFault(fault);
    this.ctx.save();
    this.ctx.clip(box(this.left, this.top, this.plot, this.h));
    this.drawLifelines();
    this.drawDatagrams();
    this.drawMarks();
    this.drawChain();
    this.ctx.restore();
    this.drawFlags();
    this.drawNames();
  }
  layout() {
    const n = this.trace.hosts.length;
    this.left = Math.min(this.widest(12), 130) + 34;
    this.plot = Math.max(50, this.w - this.left - 8);
    this.top = AXIS + Math.min(this.trace.lanes.length, LANES) * LANE + 4;
    const room = this.h - this.top - 4;
    this.rowH = clamp(room / Math.max(1, n), 10, 120);
    this.scroll = clamp(this.scroll || 0, 0, Math.max(0, n * this.rowH - room));
    this.firstRow = Math.floor(this.scroll / this.rowH);
    this.lastRow = Math.min(n, Math.ceil((this.scroll + room) / this.rowH));
  }
  drawAxis() {
    const { theme, viewer } = this, wanted = (viewer.t1 - viewer.t0) / this.plot * 95;
    const power = 10 ** Math.floor(Math.log10(wanted)), step = power * [1, 2, 5, 10].find((m) => m * power >= wanted);
    const digits = clamp(6 - Math.floor(Math.log10(step) + 1e-9), 0, 6), last = Math.min(viewer.t1, this.trace.end);
    for (let t = Math.max(0, Math.ceil(viewer.t0 / step) * step); t <= last; t += step) {
      const x = Math.round(this.x(t)) + 0.5, at = clamp(x, this.left + 18, this.w - 24);
      this.stroke(segments([[x, AXIS - 5, x, this.h]]), theme.grid);
      this.text(seconds(t, digits), at, 9, theme.muted, { align: "center" });
    }
  }
  /** A fault: its words in a lane above, a band over each of its hosts. */
  drawFault(fault) {
    const { hosts, lane } = fault, rows = hosts.length ? hosts : [...this.trace.hosts.keys()];
    const colour = this.theme.fault[lane % COLOURS.fault];
    if (fault.t > this.viewer.t1 || fault.until < this.viewer.t0) return;
    const from = clamp(this.x(fault.t), this.left, this.w - 8), end = this.x(Math.min(fault.until, this.trace.end));
    const wide = clamp(end, from + 3, this.left + this.plot) - from, room = wide - 12;
    for (const row of rows.filter((one) => this.has(one))) {
      const y = Math.max(this.top, this.y(row) - this.rowH / 2), tall = this.y(row) + this.rowH / 2 - y;
      this.fill(box(from, y, wide, tall), colour, hosts.length ? 0.14 : 0.05);
      this.fill(box(from, y, 1, tall), colour, fault.t < this.viewer.t0 ? 0 : 0.6); // an edge only where it begins
    }
    const y = AXIS + Math.min(lane, LANES - 1) * LANE;
    this.fill(box(from, y + 1, wide, LANE - 2, 2), colour, 0.3);
    this.fill(box(from, y + 1, 3, LANE - 2), colour);
    const text = `${fault.text || fault.what} (${this.trace.names(hosts)})`;
    this.text(text, from + 8, y + LANE / 2, this.theme.text, { room });
    this.hits.push({ x: from + wide / 2, y: y + LANE / 2, rx: wide / 2, ry: LANE / 2, item: fault });
  }
  drawLifelines() {
    const { theme, trace } = this, thick = clamp(this.rowH * 0.4, 5, 14);
    const looks = { runs: [theme.line, 1.5], paused: [theme.text, thick, { dash: [2, 4], alpha: 0.45 }] };
    for (let row = this.firstRow; row < this.lastRow; row++, this.drawn.rows++) {
      const y = Math.round(this.y(row)) + 0.5;
      let from = 0, as = trace.running(row, -1);
      for (const run of [...trace.hosts[row].runs, { t: trace.end }]) {
        const left = Math.max(this.x(from), this.left - 9), right = Math.min(this.x(run.t), this.w + 9);
        const look = looks[as] ?? [theme.line, 1, { dash: [1, 5] }];
        if (right > left) this.stroke(segments([[left, y, right, y]]), ...look);
        [from, as] = [run.t, run.as];
      }
    }
  }
  drawDatagrams() {
    const { theme, trace, viewer } = this, [first, last] = trace.gramRange(viewer.t0, viewer.t1);
    const shown = trace.grams.slice(first, last).filter(({ from, to, kind, until }) => {
      const rows = [from, to < 0 ? from : to], near = until >= viewer.t0 && !this.hidden.has(kind);
      return near && Math.max(...rows) >= this.firstRow && Math.min(...rows) < this.lastRow;
    });
    if (shown.length > LINES_MAX) return this.drawBars(shown);
    this.lines = shown.flatMap((gram) => this.stretches(gram));
    this.drawn.lines = shown.length;
    const busy = this.lines.length / this.plot, look = { alpha: clamp(1.1 - busy, 0.4, 0.95) };
    const ends = (fate) => this.lines.filter((line) => line.fate === fate).map(({ ends: [, , x, y] }) => [x, y]);
    for (const kind of trace.kinds.keys()) {
      const mine = this.lines.filter(({ gram }) => gram.kind === kind).map((line) => line.ends);
      look.dash = DASHES[kind % DASHES.length];
      this.stroke(segments(mine), theme.kind[kind % COLOURS.kind], busy > 0.4 ? 0.8 : 1.2, look);
    }
    if (busy < 0.4) this.fill(dots(ends("received").map(([x, y]) => [x, y, 2])), theme.text, 0.8);
    this.stroke(segments(ends("lost").flatMap(([x, y]) => cross(x, y, 3.2))), theme.lost, 1.6);
  }
  /** From where to where a datagram is drawn, a stretch per arrival. */
  stretches(gram) {
    const { t, from, to, received, lost } = gram, x = this.x(t), y = this.y(from), late = lost?.t > t;
    const out = received.map((one) => ({ gram, fate: "received", ends: [x, y, this.x(one.t), this.y(one.at)] }));
    if (!lost && out.length) return out;
    // Lost on arrival: almost there. Lost as it was sent: half the way. Neither: under way when the trace ended.
    const share = late ? 0.9 : lost ? 0.5 : 0.3, x2 = late ? x + (this.x(lost.t) - x) * share : x + 6;
    const y2 = to < 0 ? y + this.rowH * 0.4 : y + (this.y(to) - y) * share;
    return [...out, { gram, fate: lost ? "lost" : "under way", ends: [x, y, x2, y2] }];
  }
  /** Too many to tell apart: how many each host sent in each step of time, and below the line how many got lost. */
  drawBars(grams) {
    const width = 4, bars = [new Map(), new Map()];
    for (const gram of grams) {
      const step = Math.floor((this.x(gram.t) - this.left) / width), key = gram.from * 1e5 + step, [sent, lost] = bars;
      if (step >= 0) sent.set(key, (sent.get(key) ?? 0) + 1);
      if (step >= 0 && gram.lost && !gram.received.length) lost.set(key, (lost.get(key) ?? 0) + 1);
    }
    const most = [...bars[0].values()].reduce((a, b) => Math.max(a, b), 1);
    const shape = (counts, up) => path((p) => counts.forEach((n, key) => {
      const tall = Math.max(1, n / most * this.rowH * 0.42), y = this.y(Math.floor(key / 1e5));
      p.rect(this.left + key % 1e5 * width, y - up * tall, width - 1, tall);
    }));
    this.fill(shape(bars[0], 1), this.theme.kind[0], 0.75);
    this.fill(shape(bars[1], 0), this.theme.lost, 0.75);
    this.drawn.bars = bars[0].size;
  }
  /** The causal chain of the chosen verdict: numbers beside the observer's lifeline, a line to whom a step names. */
  drawChain() {
    const { theme } = this, item = this.viewer.chosen, groups = [];
    if (!item?.steps?.length) return;
    const y = this.y(item.row), beside = y + (y + 26 < this.h ? 16 : -16), now = this.x(item.t);
    this.stroke(segments([[this.x(item.steps[0].t), beside, now, beside], [now, beside, now, y]]), theme.accent, 2);
    for (const [i, step] of item.steps.entries()) {
      const x = this.x(step.t), last = groups.at(-1), other = this.y(step.row);
      if (last && x - last.x < 30) last.to = i + 1; else groups.push({ x, from: i + 1, to: i + 1 });
      this.drawn.steps += 1;
      if (step.row < 0 || step.row === item.row) continue;
      this.stroke(segments([[x, beside, x, other]]), theme.accent, 1, { dash: [3, 3] });
      this.fill(circle(x, other, 3.5), theme.accent);
    }
    for (const { x, from, to } of groups) {
      const text = from === to ? `${from}` : `${from}–${to}`, half = 4 + text.length * 3.2;
      this.fill(box(x - half, beside - 7, half * 2, 14, 7), theme.accent);
      this.text(text, x, beside + 0.5, theme.bg, { size: 10, weight: 600, align: "center" });
    }
  }
  /** Where several marks would fall on one spot, the gravest is drawn. */
  drawMarks() {
    const { theme, trace } = this, { t0, t1, chosen } = this.viewer, pad = (t1 - t0) / this.plot * 8;
    const best = new Map(), used = new Map(), size = clamp(this.rowH * 0.32, 3.2, 6);
    const grave = (item) => (item === chosen ? 99 : 0) + (item.steps ? 20 : 0) + item.state;
    for (const item of trace.items.slice(countUpTo(trace.items, t0 - pad), countUpTo(trace.items, t1 + pad))) {
      const spot = item.row * 1e5 + Math.round(this.x(item.t) / 5), known = best.get(spot);
      if (this.has(item.row) && !(known && grave(known) > grave(item))) best.set(spot, item);
    }
    for (const item of [...best.values()].sort((a, b) => a.n - b.n)) {
      const x = this.x(item.t), y = this.y(item.row);
      this.drawn.marks += 1;
      this.hits.push({ x, y, rx: size + 3, ry: size + 3, item });
      const turn = { size: 14, weight: 700, align: "center", halo: true };
      if (item.kind === "host") this.text(SIGNS[RUNS[item.what]] ?? SIGNS.host, x, y, theme.text, turn);
      else this.mark(item.state, x, y, size);
      if (item === chosen) this.stroke(circle(x, y, size + 3), theme.accent, 2.5);
      else if (item.steps && this.rowH > 18) this.stroke(circle(x, y, size + 3), theme.text);
      if (this.rowH < 30 || x < (used.get(item.row) ?? -9)) continue;
      const text = item.kind === "note" ? item.text : `${item.what} ${trace.name(item.about)}`;
      const at = Math.max(x - 4, this.left + 2);
      used.set(item.row, at + 10 + this.text(text, at, y - size - 10, theme.text, { room: 160, halo: true }));
    }
  }
  /** What concerns everybody: the scrubber's moment, broken checks, notes. */
  drawFlags() {
    const { theme, viewer } = this, now = this.x(viewer.t);
    if (this.inside(now)) {
      this.stroke(segments([[now, 0, now, this.h]]), theme.accent, 1.5, { alpha: 0.8 });
      this.fill(polygon([now - 6, 0], [now + 6, 0], [now, 9]), theme.accent);
    }
    for (const item of viewer.flags) {
      const x = this.x(item.t), broken = item.kind === "violation", colour = broken ? theme.alarm : theme.muted;
      if (!this.inside(x)) continue;
      this.stroke(segments([[x, AXIS - 4, x, this.h]]), colour, broken ? 1.5 : 1, { dash: broken ? [] : [2, 3] });
      for (const row of item.hosts) if (this.has(row)) this.stroke(circle(x, this.y(row), 8), colour, 1.5);
      this.fill(box(x - 7, AXIS - 16, 14, 14, 3), colour);
      this.text(SIGNS[item.kind], x, AXIS - 8.5, theme.bg, { weight: 700, align: "center" });
      this.hits.push({ x, y: AXIS - 8, rx: 8, ry: 8, item });
    }
  }
  drawNames() {
    const { theme, trace, viewer } = this, size = clamp(this.rowH - 1, 9, 12), every = Math.ceil(9 / this.rowH);
    for (let row = this.firstRow; row < this.lastRow; row++) {
      const as = trace.running(row, viewer.t), y = this.y(row), colour = as === "runs" ? theme.text : theme.muted;
      if (row % every || y < this.top) continue;
      this.text(trace.name(row), 10, y, colour, { size, room: this.left - 30 });
      this.text(SIGNS[as] ?? "", this.left - 18, y, colour, { size });
    }
  }
  /** What is under the pointer: an item, or a datagram's line. */
  under(x, y) {
    const hit = this.hits?.findLast((one) => Math.abs(one.x - x) <= one.rx && Math.abs(one.y - y) <= one.ry);
    let best = hit && { item: hit.item }, least = hit ? 0 : 6;
    for (const { gram, ends: [ax, ay, bx, by] } of this.lines ?? []) {
      const share = clamp(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2 || 1), 0, 1);
      const far = Math.hypot(x - ax - share * (bx - ax), y - ay - share * (by - ay));
      if (far < least) [best, least] = [{ gram }, far];
    }
    return best;
  }
}

/** The whole trace in a strip: faults, events by state, and a frame around what the diagram shows. */
class Overview extends Surface {
  draw() {
    if (!this.begin()) return;
    const { theme, trace, viewer, h } = this, { left, plot } = viewer.diagram, seen = new Set();
    const x = (t) => Math.round(left + clamp(t / Math.max(1, trace.end), 0, 1) * plot);
    const bar = (t, to, top, colour, alpha) => this.fill(box(x(t), top * h, x(to) - x(t) + 1.5, h), colour, alpha);
    for (const { t, until, lane } of trace.faults) bar(t, until, 0, theme.fault[lane % COLOURS.fault], 0.15);
    for (const { t, state } of trace.items) { // one bar for all of a pixel and a state
      const key = x(t) * 99 + state;
      if (!seen.has(key)) bar(t, t, state < 0 ? 0.75 : 0.6 - state / 7, this.stateColour(state));
      seen.add(key);
    }
    for (const { t, kind } of viewer.flags) bar(t, t, 0, kind === "note" ? theme.muted : theme.alarm);
    const frame = box(x(viewer.t0), 1, Math.max(4, x(viewer.t1) - x(viewer.t0)), h - 2, 3);
    this.fill(frame, theme.accent, 0.16);
    this.stroke(frame, theme.accent);
    bar(viewer.t, viewer.t, 0, theme.accent);
  }
}

/** The opinion matrix: observers down, subjects across. */
class Matrix extends Surface {
  /** Draws what all think of all at the viewer's moment; returns how many opinions are of each state. */
  draw() {
    const { trace, theme } = this, { chosen, t } = this.viewer, n = trace.hosts.length;
    const label = Math.min(70, this.widest(11)) + 24;
    const cell = Math.min(this.canvas.clientWidth - label - 2, innerHeight * 0.36) / Math.max(1, n);
    Object.assign(this, { label, cell: cell > 4 ? Math.floor(Math.min(cell, 26)) : Math.max(cell, 1) });
    const side = this.cell * n, every = Math.ceil(12 / this.cell), counts = trace.header.states.map(() => 0);
    this.canvas.style.height = `${label + side + 2}px`;
    if (!this.begin()) return counts;
    for (let row = 0; row < n; row++) {
      const middle = label + (row + 0.5) * this.cell, as = trace.running(row, t);
      for (let column = 0; column < n; column++) {
        const state = row === column ? -2 : trace.opinion(row, column, t)?.state ?? -1;
        if (state >= 0) counts[state] += 1;
        this.drawCell(state, label + column * this.cell, label + row * this.cell);
      }
      const rest = [[label, middle, label + side, middle]]; // nobody is there to think, or its thoughts stand still
      if (as !== "runs") this.stroke(segments(rest), theme.muted, 1, { dash: [2, 3] });
      if (row % every) continue;
      const colour = as === "runs" ? theme.text : theme.muted, look = { room: label - 6 };
      this.text(`${SIGNS[as] ?? ""} ${trace.name(row)}`, label - 5, middle, colour, { ...look, align: "right" });
      this.ctx.save();
      this.ctx.translate(middle, label - 4);
      this.ctx.rotate(-Math.PI / 2);
      this.text(trace.name(row), 0, 0, colour, look);
      this.ctx.restore();
    }
    const [x, y] = [chosen?.about, chosen?.row].map((row) => label + row * this.cell - 1.5), size = this.cell + 2;
    if (chosen?.about >= 0 && chosen.row >= 0) this.stroke(box(x, y, size, size, 2), theme.accent, 2);
    return counts;
  }
  drawCell(state, x, y) {
    const { theme } = this, s = this.cell > 3 ? this.cell - 1 : this.cell, colour = this.stateColour(state);
    if (state === -1) this.fill(box(x, y, s, s), theme.grid, 0.6);
    else if (state === -2) this.stroke(segments([[x, y, x + s, y + s]]), theme.muted);
    else if (s >= 12) {
      const look = { size: clamp(s * 0.6, 9, 13), weight: 600, align: "center" };
      this.fill(box(x, y, s, s), colour);
      this.text(this.viewer.letters[state], x + s / 2, y + s / 2 + 0.5, theme.ink[state % COLOURS.ink], look);
    } else if (state === 0 && s > 4) this.fill(box(x + 1, y + 1, s - 2, s - 2), colour); // no room for letters: shapes
    else if (state === 1) this.fill(polygon([x, y], [x, y + s], [x + s, y + s]), colour);
    else if (state === 3) this.stroke(box(x + 0.5, y + 0.5, s - 1, s - 1), colour);
    else this.fill(box(x, y, s, s), colour);
  }
  /** The opinion under the pointer, in words, and the event that made it. */
  under({ offsetX, offsetY }) {
    const { trace } = this, { t } = this.viewer;
    const [row, column] = [offsetY, offsetX].map((at) => Math.floor((at - this.label) / this.cell));
    if (!trace.hosts[row] || !trace.hosts[column]) return { text: "" };
    if (row === column) return { text: `${trace.name(row)} itself: ${trace.running(row, t)}` };
    const item = trace.opinion(row, column, t), state = trace.header.states[item?.state];
    const words = state ? `${state} since ${seconds(item.t)}` : "unknown";
    return { item, text: `${trace.name(row)} about ${trace.name(column)}: ${words}` };
  }
}

/** The whole page. */
class Viewer {
  trace = new Trace();
  t = 0;
  chosen = null;
  playing = 0; // counts starts and stops: odd while it plays
  parts = {};

  constructor(root, lines, options) {
    Object.assign(this, { root, options, theme: readTheme(root) });
    for (const part of root.querySelectorAll("[data-part]")) this.parts[part.dataset.part] = part;
    const surfaces = Object.entries({ diagram: Diagram, overview: Overview, matrix: Matrix });
    for (const [name, Kind] of surfaces) this[name] = new Kind(this, this.parts[name]);
    for (const line of lines) this.trace.add(line);
    this.refresh();
    this.listen();
    this.show(0, this.trace.end);
    if (this.trace.header && !(options.fragment && this.readFragment())) this.open();
  }
  /** Takes over what the trace holds now. */
  refresh() {
    const { trace, parts } = this, { header, items, hosts, grams, bad, end } = trace;
    const broken = items.filter((item) => item.kind === "violation");
    this.flags = [...items.filter((item) => item.kind === "note" && item.row < 0), ...broken];
    const letter = (state, taken) => [...state.toUpperCase()].find((one) => !taken.includes(one)) ?? "?";
    this.letters = header?.states.reduce((taken, state) => [...taken, letter(state, taken)], []) ?? [];
    parts.title.textContent = header?.title ?? "This is no trace: its first line is not the header";
    parts.facts.textContent = [`seed ${header?.seed ?? "unknown"}`, plural(hosts.length, "host"), seconds(end),
      `${plural(grams.length, "datagram")} (${number(grams.filter((gram) => gram.lost).length)} lost)`,
      plural(items.length, "event")].join(" · ");
    parts.command.textContent = header?.replay ?? "";
    const alarms = broken.slice(0, 2).map((item) =>
      el("button", { click: () => this.select(item) }, `${seconds(item.t)}  ${item.what}: ${item.text}`));
    if (broken.length) alarms.unshift(el("strong", {}, `! ${plural(broken.length, "violation")}`));
    if (bad.length) alarms.push(`${plural(bad.length, "line")} could not be read, first line ${bad[0]}`);
    parts.alarm.replaceChildren(...alarms);
    parts.scrubber.max = end;
    const fill = (part, all, choices) => {
      const before = part.value, options = choices.map(([value, text]) => el("option", { value }, text));
      part.replaceChildren(el("option", { value: "" }, all), ...options);
      part.value = options.some(({ value }) => value === before) ? before : "";
    };
    fill(parts.byHost, "all hosts", hosts.map(({ name }, row) => [row, name]));
    const kinds = [...new Set(items.map(({ what }) => what))].sort().map((what) => [`=${what}`, what]);
    fill(parts.byKind, "all kinds", [["why", "with a why"], ...kinds]);
    const numbers = { hosts: hosts.length, events: items.length, datagrams: grams.length, violations: broken.length };
    Object.assign(this.root.dataset, numbers); // what a test, or a style, can read
    this.fillLegend();
    this.filter();
  }
  fillLegend() {
    const { trace, theme, parts } = this, { hidden } = this.diagram;
    parts.legend.replaceChildren(...trace.kinds.map(({ what, count }, kind) => {
      const swatch = new Surface(this, el("canvas", { "aria-hidden": "true" })), dash = DASHES[kind % DASHES.length];
      swatch.begin(26, 10);
      swatch.stroke(segments([[0, 5, 26, 5]]), theme.kind[kind % COLOURS.kind], 2, { dash });
      const click = () => { hidden[hidden.has(kind) ? "delete" : "add"](kind); this.fillLegend(); this.draw(); };
      const attributes = { "aria-pressed": String(!hidden.has(kind)), click };
      return el("button", attributes, swatch.canvas, what, el("small", {}, number(count)));
    }));
  }
  /** Opens where it matters: the first broken check, else the first verdict, else the first fault, else everything. */
  open() {
    const { items, end } = this.trace, turn = (item) => item.kind === "fault" || ["down", "paused"].includes(item.what);
    const broken = this.flags.find((item) => item.kind === "violation");
    const chained = items.filter((item) => item.steps); // a chain that took its time says more than one of a moment
    const focus = broken ?? chained.find((item) => item.steps[0]?.t < item.t) ?? chained[0] ?? items.find(turn);
    if (!focus) return;
    const blamed = (item) => item.steps && focus.hosts.includes(item.row) && focus.hosts.includes(item.about);
    const chosen = items.slice(0, focus.n).findLast(blamed) ?? focus; // the verdict that a broken check speaks of
    const from = chosen.steps?.[0]?.t ?? chosen.t - end / 20, size = Math.max(focus.t - from, end / 50);
    this.show(from - size * 0.3, focus.t + size * 0.3);
    this.select(chosen);
  }
  /** Shows this stretch of time, within what there is. */
  show(from, to) {
    const whole = Math.max(this.trace.end, 1000) * 1.03, range = clamp(to - from, 100, whole), edge = 0.015 * whole;
    this.t0 = clamp((from + to - range) / 2, -edge, this.trace.end + edge - range);
    this.t1 = this.t0 + range;
    this.draw();
  }
  zoom(by, at = clamp(this.t, this.t0, this.t1)) { this.show(at - (at - this.t0) * by, at + (this.t1 - at) * by); }
  pan(share) { this.show(this.t0 + share * (this.t1 - this.t0), this.t1 + share * (this.t1 - this.t0)); }
  follow(share) {
    if (this.t < this.t0 || this.t > this.t1) this.pan((this.t - this.t0) / (this.t1 - this.t0) - share);
  }
  at(t) {
    this.t = clamp(Math.round(t), 0, this.trace.end);
    this.parts.list.scrollTop = (countUpTo(this.rows, this.t) - 3) * ROW;
    this.draw();
  }
  /** Chooses an item: the moment, the list, its chain and the diagram go there. */
  select(item) {
    const { diagram, parts } = this, top = this.rows.indexOf(item) * ROW, range = this.t1 - this.t0;
    this.chosen = item;
    this.fillChosen(item);
    if (item) {
      const from = item.steps?.[0]?.t ?? item.t, size = item.t - from, pad = (size || range) * 0.25;
      this.t = item.t;
      if (from < this.t0 || item.t > this.t1 || (size && size < range / 10)) this.show(from - pad, item.t + pad);
      const { list } = parts, y = item.row * diagram.rowH, room = diagram.h - diagram.top;
      if (item.row >= 0) diagram.scroll = clamp(diagram.scroll, y - room + 2 * diagram.rowH, y - diagram.rowH);
      if (top >= 0) list.scrollTop = clamp(list.scrollTop, top - list.clientHeight + 2 * ROW, top - ROW);
    }
    this.draw();
    this.writeFragment();
  }
  /** The chosen event in full, and its causal chain. */
  fillChosen(item) {
    const { parts, trace } = this;
    Object.assign(this.root.dataset, { chosen: item?.n ?? "", steps: item?.steps?.length ?? 0 });
    if (!item) return parts.chosen.replaceChildren();
    const step = ({ t, text, row }) => el("li", {}, el("button", { click: () => this.at(t), title: seconds(t, 6) },
      el("time", {}, t < item.t ? `−${later(item.t - t)}` : "0"),
      el("span", {}, row < 0 || text.includes(trace.name(row)) ? text : `${text} (${trace.name(row)})`)));
    const chain = item.steps ? el("ol", { "aria-label": "Why: the causal chain" }, ...item.steps.map(step)) : "";
    const until = item.kind === "fault" ? ` (until ${seconds(Math.min(item.until, trace.end))})` : "";
    parts.chosen.replaceChildren(el("h2", {}, `${trace.name(item.row)} ${item.what} ${trace.whom(item)} `,
      el("small", {}, `#${item.n} at ${seconds(item.t, 6)}`),
      el("button", { click: () => this.select(null), "aria-label": "Close" }, "✕")),
    el("p", {}, item.text + until), chain);
  }
  filter() {
    const { byHost, byKind, byText, shown, room } = this.parts, { trace } = this, kind = byKind.value;
    const host = byHost.value && Number(byHost.value), text = byText.value.trim().toLowerCase();
    this.rows = trace.items.filter((item) => (host === "" || [item.row, item.about, ...item.hosts].includes(host))
      && (!kind || (kind === "why" ? item.steps : kind === `=${item.what}`))
      && (!text || trace.sentence(item).toLowerCase().includes(text)));
    shown.textContent = `${number(this.rows.length)} of ${number(trace.items.length)}`;
    room.style.height = `${this.rows.length * ROW}px`;
    this.root.dataset.shown = this.rows.length;
    this.drawList();
  }
  /** Only the rows in view exist. */
  drawList() {
    const { trace, chosen } = this, { list, room } = this.parts, above = Math.floor(list.scrollTop / ROW);
    const first = Math.max(0, above - 3), rows = this.rows.slice(first, above + Math.ceil(list.clientHeight / ROW) + 3);
    const shown = [this.rows, first, rows.length, chosen], focused = room.contains(document.activeElement);
    if (this.listed?.every((one, i) => one === shown[i])) return;
    this.listed = shown;
    room.replaceChildren(...rows.map((item, i) => el("button", { class: `tv-row tv-${item.kind}`,
      style: `top:${(first + i) * ROW}px`, "aria-current": item === chosen && "true", click: () => this.select(item),
      title: `#${item.n} ${trace.sentence(item)}` }, el("time", {}, (item.t / 1e6).toFixed(3)),
    this.chip(item.state, SIGNS[RUNS[item.what]] ?? SIGNS[item.kind] ?? "·"), el("b", {}, trace.name(item.row)),
    el("span", {}, el("em", {}, `${item.what} ${trace.whom(item)} `), item.text),
    ...(item.steps ? [el("mark", {}, "why")] : []))));
    if (focused) room.querySelector("[aria-current]")?.focus({ preventScroll: true });
  }
  chip(state, sign) {
    return el("i", { class: `tv-chip tv-s${state < 0 ? "" : state % COLOURS.state}` }, this.letters[state] ?? sign);
  }
  draw() {
    const { trace, parts, root } = this, states = trace.header?.states, now = seconds(this.t);
    if (!states) return;
    this.diagram.draw();
    root.style.setProperty("--gutter", `${this.diagram.left}px`);
    this.overview.draw();
    const counts = this.matrix.draw();
    parts.states.replaceChildren(...counts.map((n, state) =>
      el("span", {}, this.chip(state), ` ${states[state]} `, el("b", {}, number(n)))));
    parts.matrix.setAttribute("aria-label", `Opinions: ${counts.map((n, i) => `${n} ${states[i]}`).join(", ")}`);
    parts.now.textContent = parts.when.textContent = now;
    parts.scrubber.value = this.t;
    parts.scrubber.setAttribute("aria-valuetext", now);
    parts.hint.hidden = !this.diagram.drawn.bars;
    this.drawList();
    for (const [name, n] of Object.entries(this.diagram.drawn)) root.dataset[`drawn${name}`] = n;
  }
  step(by) {
    const index = this.rows.indexOf(this.chosen), near = countUpTo(this.rows, this.t) + Math.min(by, 0);
    this.select(this.rows[index >= 0 ? index + by : near] ?? this.chosen);
  }
  play() {
    const mine = ++this.playing, on = mine % 2 === 1;
    let last = performance.now();
    this.parts.play.textContent = on ? "Stop" : "Play";
    const frame = (now) => {
      if (this.playing !== mine) return;
      this.at(this.t + Math.max(0, now - last) * 1000 * Number(this.parts.speed.value));
      last = now;
      this.follow(0.1);
      if (this.t < this.trace.end) requestAnimationFrame(frame); else this.play();
    };
    if (on) requestAnimationFrame(frame);
  }
  readFragment() {
    const wanted = new URLSearchParams(location.hash.slice(1)), item = this.trace.items[wanted.get("event") - 1];
    if (item) this.show(item.t - this.trace.end / 12, item.t + this.trace.end / 12);
    if (item) this.select(item);
    if (wanted.has("t")) this.at(Number(wanted.get("t")) || 0);
    return Boolean(item) || wanted.has("t");
  }
  writeFragment() {
    const wanted = `#${this.chosen ? `event=${this.chosen.n}&` : ""}t=${this.t}`;
    try { if (this.options.fragment) history.replaceState(null, "", wanted); } catch { /* not here, or too often */ }
  }
  /** Says what is under the pointer. */
  tell({ offsetX, offsetY, clientX, clientY }) {
    const { item, gram } = this.diagram.under(offsetX, offsetY) ?? {}, { tip } = this.parts, { trace } = this;
    tip.hidden = Boolean(this.dragging) || !(item || gram);
    if (item) tip.textContent = `${seconds(item.t, 6)}\n${trace.sentence(item)}`;
    if (gram) {
      const fates = gram.received.map(({ t }) => `received ${later(t - gram.t)} later`);
      if (gram.lost || !fates.length) fates.push(gram.lost ? `lost: ${gram.lost.why}` : "under way");
      const way = `${trace.kinds[gram.kind].what}  ${trace.name(gram.from)} → ${trace.name(gram.to) || "nobody"}`;
      tip.textContent = `${way}\nsent ${seconds(gram.t, 6)}, ${gram.bytes ?? "?"} bytes\n${fates.join("\n")}`;
    }
    tip.style.left = `${Math.min(clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
  }
  listen() {
    const { parts, diagram, matrix, root } = this;
    const on = (part, deeds) => Object.entries(deeds).forEach(([name, deed]) => part.addEventListener(name, deed));
    const roll = (by) => { diagram.scroll += by; this.draw(); };
    const deeds = { in: () => this.zoom(0.6), out: () => this.zoom(1 / 0.6), all: () => this.zoom(1e9),
      play: () => this.play(), previous: () => this.step(-1), next: () => this.step(1),
      copy: () => navigator.clipboard?.writeText(parts.command.textContent) };
    const keys = { "+": deeds.in, "=": deeds.in, "-": deeds.out, 0: deeds.all, n: deeds.next, p: deeds.previous,
      ArrowLeft: () => this.pan(-0.1), ArrowRight: () => this.pan(0.1), ArrowUp: () => roll(-40),
      ArrowDown: () => roll(40), Escape: () => this.select(null) };
    on(root, { click: ({ target }) => deeds[target.dataset.do]?.(), keydown: (event) => {
      const deed = keys[event.key], busy = event.ctrlKey || event.metaKey || event.target.closest("input, select");
      if (!deed || busy) return;
      event.preventDefault();
      deed();
    } });
    on(parts.diagram, { wheel: (event) => {
      const { deltaX, deltaY } = event, sideways = event.shiftKey || Math.abs(deltaX) > Math.abs(deltaY);
      event.preventDefault();
      if (sideways) this.pan((deltaX || deltaY) / diagram.plot);
      else this.zoom(1.0015 ** deltaY, diagram.time(event.offsetX));
    }, pointerdown: ({ offsetX: x, offsetY: y, pointerId }) => {
      const scrub = y < AXIS || Math.abs(x - diagram.x(this.t)) < 5, { t0, t1 } = this;
      this.dragging = { x, y, t0, t1, scroll: diagram.scroll, scrub, moved: false };
      parts.diagram.setPointerCapture(pointerId);
    }, pointermove: (event) => {
      const from = this.dragging, x = event.offsetX, y = event.offsetY;
      this.tell(event);
      if (!from || !(from.moved ||= Math.hypot(x - from.x, y - from.y) > 4)) return;
      if (from.scrub) return this.at(diagram.time(x));
      const by = (from.x - x) / diagram.plot * (from.t1 - from.t0);
      diagram.scroll = from.scroll + from.y - y;
      this.show(from.t0 + by, from.t1 + by);
    }, pointerup: ({ offsetX, offsetY }) => {
      const still = this.dragging && !this.dragging.moved, { item } = diagram.under(offsetX, offsetY) ?? {};
      this.dragging = null;
      if (still && item) this.select(item); else if (still) this.at(diagram.time(offsetX));
      this.writeFragment();
    }, pointerleave: () => { parts.tip.hidden = true; } });
    const center = ({ buttons, offsetX }) => {
      const t = (offsetX - diagram.left) / diagram.plot * this.trace.end;
      if (buttons) this.pan((t - this.t0) / (this.t1 - this.t0) - 0.5);
    };
    on(parts.overview, { pointerdown: center, pointermove: center });
    on(parts.scrubber, { input: () => this.at(Number(parts.scrubber.value)), change: () => this.writeFragment() });
    on(parts.list, { scroll: () => this.drawList() });
    for (const part of [parts.byHost, parts.byKind, parts.byText]) on(part, { input: () => this.filter() });
    on(parts.matrix, { pointermove: (event) => { parts.readout.textContent = matrix.under(event).text; },
      click: (event) => { const { item } = matrix.under(event); if (item) this.select(item); } });
    const restyle = () => { this.theme = readTheme(root); this.fillLegend(); this.draw(); };
    on(matchMedia("(prefers-color-scheme: dark)"), { change: restyle });
    if (this.options.fragment) on(globalThis, { hashchange: () => this.readFragment() });
    new ResizeObserver(() => this.draw()).observe(root);
  }
  /** More lines of the same trace; a reader who looks at the end keeps looking at the end. */
  append(lines) {
    const { trace } = this, atEnd = this.t >= trace.end;
    for (const line of lines) trace.add(line);
    this.refresh();
    if (atEnd) this.t = trace.end;
    this.draw();
    if (atEnd) this.follow(0.9);
  }
}

/** The colours of the style sheet as they are now: it follows the reader's light or dark. */
function readTheme(root) {
  const style = getComputedStyle(root), get = (name) => style.getPropertyValue(`--${name}`).trim();
  const several = (name, length) => Array.from({ length }, (_, i) => get(`${name}-${i}`));
  const theme = { font: style.fontFamily };
  for (const name of ["bg", "text", "muted", "line", "grid", "accent", "alarm", "lost"]) theme[name] = get(name);
  for (const [name, length] of Object.entries(COLOURS)) theme[name] = several(name, length);
  return theme;
}

/** Draws into an element of class `tidings-viewer` that holds viewer.html; with `fragment` the address follows. */
function show(element, lines, options = {}) {
  const viewer = new Viewer(element, lines, options), select = (n) => viewer.select(viewer.trace.items[n - 1] ?? null);
  return { append: (more) => viewer.append(more), at: (t) => viewer.at(t), select };
}

return { show };
})();
