// Where a node's output reaches the page: after its run, and when outputs come back with a workflow.
import { app } from "../../scripts/app.js";

/**
 * Registers an extension that calls `show(node, output)` for every output of a node that it is for.
 * @param name of the extension.
 * @param isFor which nodes: gets what the host says of a node.
 */
export function registerShown(name, isFor, show) {
  app.registerExtension({
    name,

    beforeRegisterNodeDef(nodeType, nodeData) {
      if (!isFor(nodeData)) return;
      const onExecuted = nodeType.prototype.onExecuted;
      nodeType.prototype.onExecuted = function (output) {
        onExecuted?.apply(this, arguments);
        show(this, output);
      };
    },

    /** An undone change, another tab, a run of the history. */
    onNodeOutputsUpdated(outputs) {
      for (const graph of [app.rootGraph, ...app.rootGraph.subgraphs.values()]) {
        for (const node of graph.nodes) {
          const output = outputs[graph === app.rootGraph ? node.id : `${graph.id}:${node.id}`];
          if (output && isFor(node.constructor.nodeData)) show(node, output);
        }
      }
    },
  });
}
