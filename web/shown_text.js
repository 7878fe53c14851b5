// Shows on a node the text that its run gives as ui.PreviewText; the frontend draws it for some nodes of its own only.
import { app } from "../../scripts/app.js";
import { registerShown } from "./outputs.js";

// The host serves the pack's web folder under the name of the pack's folder.
const PACK = decodeURIComponent(new URL(import.meta.url).pathname.split("/").at(-2));
const NAME = "shown_text";
const TALLEST = 400; // pixels of text; more of it scrolls
const MARGIN = 10; // pixels that the frontend leaves on each side of a text area

/** The height of all lines at the node's width. Measured on a copy: the text area itself may not be drawn yet. */
function textHeight(element, nodeWidth) {
  const copy = element.cloneNode();
  copy.value = element.value;
  Object.assign(copy.style, { position: "fixed", visibility: "hidden", height: 0, width: `${nodeWidth - 2 * MARGIN}px` });
  document.body.append(copy);
  const height = copy.scrollHeight;
  copy.remove();
  return height;
}

function addWidget(node) {
  const { widget } = app.widgets.STRING(node, NAME, ["STRING", { multiline: true }], app);
  widget.label = "message"; // Nodes 2.0 draws it
  widget.serialize = false; // in the saved workflow
  widget.options.serialize = false; // in the posted graph
  widget.options.read_only = true; // what the frontend draws by itself (Nodes 2.0)
  widget.element.readOnly = true;
  return widget;
}

/** Shows the text of a node's output; no text, no widget. */
function show(node, output) {
  const text = output?.text?.join("\n");
  const shown = node.widgets?.find((widget) => widget.name === NAME);
  if (!text) {
    if (shown) node.removeWidget(shown);
    return;
  }
  const widget = shown ?? addWidget(node);
  widget.value = text;
  const height = Math.min(textHeight(widget.element, node.size[0]), TALLEST) + 2 * MARGIN;
  widget.options.getMinHeight = widget.options.getMaxHeight = () => height;
  node.expandToFitContent();
  node.setDirtyCanvas(true, true);
}

registerShown("DiffHarmonization.ShownText", (nodeData) => nodeData?.python_module === `custom_nodes.${PACK}`, show);
