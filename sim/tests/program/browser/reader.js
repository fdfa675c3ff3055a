// What a reader does to the page of five hosts, and whether it did what it should: a line for each, said to the test.
const root = document.getElementById("viewer"), canvas = root.querySelector(".tv-diagram");
const press = (key) =>
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const point = (type, x, y) => {
    const { left, top } = canvas.getBoundingClientRect();
    canvas.dispatchEvent(new PointerEvent(type, { clientX: left + x, clientY: top + y, bubbles: true, pointerId: 1 }));
};
canvas.setPointerCapture = () => {}; // made-up pointers cannot be captured
const choose = (name, value) => {
    const part = root.querySelector(`[data-part=${name}]`);
    part.value = value;
    part.dispatchEvent(new Event("input", { bubbles: true }));
    return Number(root.dataset.shown);
};
const all = Number(root.dataset.shown), near = Number(root.dataset.drawnlines);
press("0");
say(`whole ${root.dataset.drawnlines === root.dataset.datagrams && near < Number(root.dataset.drawnlines)}`);
for (let i = 0; i < 6; i++) press("+");
say(`zoom ${Number(root.dataset.drawnlines) < near}`);
const why = choose("byKind", "why"), dead = choose("byKind", "=dead"), host = choose("byHost", "4");
say(`filters ${why === dead && dead < all && host < dead && host > 0}`);
choose("byHost", ""); choose("byKind", "");
say(`text ${choose("byText", "LIVES AFTER") === 8}`);
choose("byText", "");
say(`rows ${Number(root.dataset.shown) === all}`);
root.querySelector(".tv-list").scrollTop = 0;
await frame();
root.querySelector(".tv-row").click();
const first = root.dataset.chosen;
press("n");
const address = location.hash.startsWith(`#event=${root.dataset.chosen}&`);
say(`step ${Number(root.dataset.chosen) === Number(first) + 1 && address}`);
press("p");
say(`back ${root.dataset.chosen === first}`);
press("Escape");
say(`closed ${root.dataset.chosen === "" && root.querySelector(".tv-chosen").children.length === 0}`);
press("0");
const kinds = root.querySelectorAll(".tv-legend button"), lines = Number(root.dataset.drawnlines);
kinds[0].click();
say(`legend ${kinds.length === 4 && Number(root.dataset.drawnlines) < lines}`);
root.querySelector(".tv-legend button").click();
say(`legend back ${Number(root.dataset.drawnlines) === lines}`);
const scrubber = root.querySelector("[type=range]");
scrubber.value = 5000000;
scrubber.dispatchEvent(new Event("input"));
say(`scrubber ${root.querySelector("output").textContent === "5.000 s"}`);
point("pointerdown", 600, 5); point("pointermove", 700, 5);
const scrubbed = Number(scrubber.value);
point("pointerup", 700, 5);
say(`scrub ${scrubbed > 15e6 && scrubbed < 30e6}`);
press("+"); press("+"); press("+");
const frameOf = () => root.dataset.drawnlines + root.dataset.drawnmarks;
point("pointerdown", 300, 300);
for (let x = 300; x <= 800; x += 50) point("pointermove", x, 320);
point("pointerup", 800, 320);
const panned = frameOf();
canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: 800, cancelable: true }));
say(`wheel ${frameOf() !== panned && Number(scrubber.value) === scrubbed}`);
press("0");
root.querySelector("[data-part=speed]").value = "16";
root.querySelector("[data-do=play]").click();
while (Number(scrubber.value) === scrubbed) await frame();
root.querySelector("[data-do=play]").click();
const played = Number(scrubber.value);
await frame();
say(`play ${played > scrubbed && Number(scrubber.value) === played}`);
scrubber.value = 21000000;
scrubber.dispatchEvent(new Event("input"));
const matrix = root.querySelector(".tv-matrix"), box = matrix.getBoundingClientRect();
for (const type of ["pointermove", "click"]) { // the second column of the first row
    const at = { clientX: box.left + 80, clientY: box.top + 60, bubbles: true };
    matrix.dispatchEvent(new PointerEvent(type, at));
}
const readout = root.querySelector(".tv-readout").textContent;
const chosen = root.querySelector(".tv-chosen").textContent;
say(`matrix ${/^n0 about n1: alive since 0\.0/.test(readout) && chosen.startsWith("n0 up n1")}`);
press("0");
const tips = new Set(), tip = root.querySelector(".tv-tip");
for (let x = 60; x < 900; x += 7) for (let y = 60; y < 500; y += 20) {
    point("pointermove", x, y);
    if (!tip.hidden) for (const word of tip.textContent.split(/\s+/)) tips.add(word);
}
say(`tips ${["ping", "ack", "nack", "received", "lost:", "cut", "suspect"].every((word) => tips.has(word))}`);
