// A selector at the top left of each notebook's toolbar: which cluster its kernel works with.

import { Attachment } from './attachment.js';
import { ClusterList } from './clusters.js';
import { Selector } from './selector.js';

const STYLE = `
.bodoweb-clusters { margin-right: 4px; position: relative; }
.jp-HTMLSelect.bodoweb-clusters select {
  appearance: none;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  color: var(--jp-ui-font-color1);
  max-width: 24em;
  min-width: 9em;
  padding-right: 20px;
  text-overflow: ellipsis;
}
.bodoweb-clusters::after {
  border-bottom: 2px solid var(--jp-ui-font-color2);
  border-right: 2px solid var(--jp-ui-font-color2);
  content: '';
  height: 4px;
  pointer-events: none;
  position: absolute;
  right: 9px;
  top: calc(50% - 4px);
  transform: rotate(45deg);
  width: 4px;
}
.bodoweb-clusters.is-attached select { font-weight: 600; }
.jp-HTMLSelect.bodoweb-clusters.is-lost select { border: 2px solid var(--jp-warn-color1); }
`;

function addStyle() {
  const style = document.createElement('style');
  style.textContent = STYLE;
  document.head.append(style);
}

/** ``lab``: the modules of JupyterLab that remoteEntry.js names. */
export function makePlugin(name, lab) {
  return {
    id: `${name}:plugin`,
    description: 'Attaches notebooks to the clusters of their workspace.',
    autoStart: true,
    requires: [lab.notebook.INotebookTracker],
    activate(app, tracker) {
      addStyle();
      const clusters = new ClusterList(lab.polling.Poll);
      const add = (panel) => {
        const attachment = new Attachment(panel, app.serviceManager, clusters, lab.apputils);
        const selector = new Selector(attachment, clusters);
        const widget = new lab.widgets.Widget({ node: selector.node });
        panel.toolbar.insertItem(0, name, widget);
        panel.disposed.connect(() => {
          selector.dispose();
          attachment.dispose();
        });
      };
      tracker.forEach(add);
      tracker.widgetAdded.connect((_, panel) => add(panel));
    },
  };
}
