// Flips through the pictures of a loop that has ended, and takes the one that the user picks: the node's input `take`.
import { app } from "../../scripts/app.js";
import { registerShown } from "./outputs.js";

const NODES = ["Harmonize", "IterateLoopEnd"];
const NAME = "pass_picker";
const OWN = -1; // of `take`: the picture that the loop chose itself
const HEIGHT = 330; // pixels: the picture, two lines of text, the buttons

const STYLES = {
  box: "display:flex;flex-direction:column;gap:4px;width:100%;height:100%;font:12px sans-serif;color:var(--input-text)",
  image: "flex:1;min-height:0;object-fit:contain;background:#0004;border-radius:4px",
  text: "max-height:48px;overflow:auto;line-height:16px",
  row: "display:flex;gap:4px",
  button: "flex:1 0 auto;white-space:nowrap;padding:3px;border:1px solid var(--border-color);border-radius:4px;background:var(--comfy-input-bg);"
    + "color:var(--input-text);cursor:pointer",
};

function element(kind, style, parent) {
  const made = document.createElement(kind);
  made.style.cssText = STYLES[style];
  parent?.append(made);
  return made;
}

function button(label, parent, pressed) {
  const made = element("button", "button", parent);
  made.textContent = label;
  made.type = "button";
  made.addEventListener("click", pressed);
  return made;
}

function url(file) {
  const where = new URLSearchParams({ filename: file.filename, subfolder: file.subfolder, type: file.type });
  return app.api.apiURL(`/view?${where}`);
}

function addPicker(node) {
  const box = element("div", "box");
  box.dataset.testid = NAME;
  const image = element("img", "image", box);
  const text = element("div", "text", box);
  const row = element("div", "row", box);
  const picker = { passes: [], at: 0, taken: 0, chosen: 0 };

  picker.draw = () => {
    const { passes, at, taken, chosen } = picker;
    const { image: file, name, score, words, why } = passes[at];
    image.src = file ? url(file) : "";
    image.alt = name;
    const marks = [at === taken && "this is the result", at === chosen && "the loop's choice"].filter(Boolean);
    const head = `${at} of ${passes.length - 1}: ${name}, score ${score.toFixed(4)}${marks.length ? ` (${marks.join(", ")})` : ""}`;
    text.textContent = [head, words, why].filter(Boolean).join("\n");
    text.style.whiteSpace = "pre-line";
    takeIt.disabled = at === taken;
    own.disabled = taken === chosen;
  };
  const flip = (by) => {
    picker.at = (picker.at + by + picker.passes.length) % picker.passes.length;
    picker.draw();
  };
  const take = (value) => {
    node.widgets.find((widget) => widget.name === "take").value = value;
    app.queuePrompt(0);
  };
  button("◀", row, () => flip(-1));
  button("▶", row, () => flip(1));
  const takeIt = button("Take this", row, () => take(picker.at));
  const own = button("Loop's choice", row, () => take(OWN));

  const widget = node.addDOMWidget(NAME, NAME, box, { serialize: false, getMinHeight: () => HEIGHT, getMaxHeight: () => HEIGHT });
  widget.serialize = false; // in the saved workflow
  widget.picker = picker;
  return widget;
}

function show(node, output) {
  if (!output?.passes?.length) return;
  const widget = node.widgets?.find((each) => each.name === NAME) ?? addPicker(node);
  const [taken] = output.taken;
  Object.assign(widget.picker, { passes: output.passes, at: taken, taken, chosen: output.chosen[0] });
  widget.picker.draw();
  // The pictures that were shown while the loop ran, and the frontend's room for them.
  node.imgs = node.images = undefined;
  const preview = node.widgets.find((each) => each.name === "$$canvas-image-preview");
  if (preview) node.removeWidget(preview);
  node.expandToFitContent?.();
  node.setDirtyCanvas(true, true);
}

registerShown("DiffHarmonization.PassPicker", (nodeData) => NODES.includes(nodeData?.name), show);
