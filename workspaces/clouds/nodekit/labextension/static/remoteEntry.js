// What JupyterLab loads: a container of module federation, written by hand. It hands over one
// module, the plugin; what that needs of JupyterLab comes from the scope that Lab shares.
(() => {
  'use strict';

  const NAME = 'bodoweb-clusters';
  const NEEDED = {
    apputils: '@jupyterlab/apputils',
    notebook: '@jupyterlab/notebook',
    polling: '@lumino/polling',
    widgets: '@lumino/widgets',
  };
  const here = document.currentScript.src;
  let scope;

  async function shared(name) {
    const [version] = Object.values(scope[name]);
    return (await version.get())();
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB[NAME] = {
    init(given) {
      scope = given;
    },
    async get() {
      const lab = {};
      for (const [key, name] of Object.entries(NEEDED)) {
        lab[key] = await shared(name);
      }
      const { makePlugin } = await import(new URL('plugin.js', here).href);
      const plugin = makePlugin(NAME, lab);
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
