// One notebook and the cluster that its kernel works with. The kernel's name is the truth: a
// kernel of cluster X is called bodo-X on every server, and any other kernel is Detached.

import { ask } from './clusters.js';

const PREFIX = 'bodo-';
const DETACHED_KERNEL = 'python3';
const METADATA = 'bodoweb'; // in the notebook: {"cluster": uuid or null}, the last choice
const KEEPS_KERNELS = ['PAUSING', 'PAUSED', 'FAILED'];
const TOLD_MS = 5000;

export class Attachment {
  constructor(panel, services, clusters, { Dialog, Notification, showDialog }) {
    this._panel = panel;
    this._session = panel.sessionContext;
    this._services = services;
    this._clusters = clusters;
    this._lab = { Dialog, Notification, showDialog };
    this._listeners = new Set();
    this._wanted = ''; // the cluster that the file names, when this server has no kernel of it
    this._lastState = '';
    this._warning = '';
    this.busy = ''; // what is being done, in words
    this._isRestored = this._hasRunningSession();
    this._session.kernelPreferenceChanged.connect(this._replaceMissingKernel, this);
    this._session.kernelChanged.connect(this._changed, this);
    this._stopListening = clusters.listen(() => this._followCluster());
    this._open();
  }

  dispose() {
    this._session.kernelPreferenceChanged.disconnect(this._replaceMissingKernel, this);
    this._session.kernelChanged.disconnect(this._changed, this);
    this._stopListening();
    this._listeners.clear();
  }

  listen(listener) {
    this._listeners.add(listener);
  }

  /** The cluster's uuid; empty is Detached. */
  get cluster() {
    const name = this._session.session?.kernel?.name || '';
    return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : '';
  }

  /** What a person chose in the selector. */
  async choose(uuid) {
    if (uuid === this.cluster || this.busy) {
      return;
    }
    if (!uuid) {
      await this._do('Detaching…', () => this._detach());
      return;
    }
    const row = this._clusters.find(uuid);
    if (row?.can_resume) {
      await this._offerToResume(row);
    } else {
      await this._do(`Attaching to ${this._clusters.nameOf(uuid)}…`, () => this._attach(uuid));
    }
  }

  async _attach(uuid, { isChoice = true } = {}) {
    const { kernel, name } = await ask('attach', uuid);
    await this._services.kernelspecs.refreshSpecs();
    await this._session.changeKernel({ name: kernel });
    if (isChoice) {
      this._record(uuid);
    }
    this._lab.Notification.success(`Attached to ${name}. This notebook has a new kernel.`, {
      autoClose: TOLD_MS,
    });
  }

  async _detach() {
    const uuid = this.cluster;
    await this._session.changeKernel({ name: DETACHED_KERNEL });
    this._record(null);
    if (!(await this._isUsedElsewhere(uuid))) {
      await ask('detach', uuid);
      await this._services.kernelspecs.refreshSpecs();
    }
  }

  async _offerToResume(row) {
    const { Dialog, showDialog } = this._lab;
    const answer = await showDialog({
      title: `Resume ${row.name}?`,
      body: `${row.name} is ${row.state}. It costs as a running cluster does from then on.`,
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Resume and attach' })],
    });
    if (answer.button.accept) {
      await this._resumeAndAttach(row);
    } else {
      this._changed();
    }
  }

  _resumeAndAttach(row) {
    return this._do(`Resuming ${row.name}…`, async () => {
      await this._resume(row);
      if (this.cluster !== row.uuid) {
        await this._attach(row.uuid);
      }
    });
  }

  async _resume({ uuid, name }) {
    await ask('resume', uuid);
    await this._clusters.refresh();
    const settled = ['RUNNING', 'PAUSED', 'STOPPED', 'FAILED'];
    const row = await this._clusters.until(uuid, (row) => !row || settled.includes(row.state));
    if (row?.state !== 'RUNNING') {
      const reason = row?.reason || 'Look at its page for the reason.';
      throw new Error(`${name} is ${row ? row.state : 'gone'}. ${reason}`);
    }
  }

  /** Shows that something goes on, and tells what went wrong. */
  async _do(words, work) {
    this.busy = words;
    this._changed();
    try {
      await work();
    } catch (error) {
      this._lab.Notification.error(error.message, { autoClose: false });
    } finally {
      this.busy = '';
      await this._clusters.refresh().catch(() => undefined); // the next look tells
      this._changed();
    }
  }

  // Opening ---------------------------------------------------------------------------------------

  /** Just before Lab looks for the kernel that the file names: it would ask the user which other
   * one to take. Detached instead, and then attached again if that is possible. */
  _replaceMissingKernel() {
    const preference = this._session.kernelPreference;
    const name = preference.name || '';
    const specs = this._services.kernelspecs.specs?.kernelspecs || {};
    if (!name.startsWith(PREFIX) || name in specs || this._hasRunningSession()) {
      return;
    }
    this._wanted = name.slice(PREFIX.length);
    this._session.kernelPreference = { ...preference, name: DETACHED_KERNEL };
  }

  async _open() {
    try {
      await this._panel.context.ready;
      await this._session.ready;
      if (!this._clusters.rows) {
        await this._clusters.refresh();
      }
    } catch {
      return; // closed meanwhile, or nobody to ask; the selector shows what is
    }
    if (this._panel.isDisposed || this.cluster) {
      return;
    }
    if (this._wanted) {
      await this._attachAsBefore(this._wanted);
    } else if (!this._isRestored && !this._panel.model?.getMetadata(METADATA)) {
      await this._attachPreferred();
    }
  }

  async _attachAsBefore(uuid) {
    const row = this._clusters.find(uuid);
    if (row?.can_attach) {
      await this._do(`Attaching to ${row.name}…`, () => this._attach(uuid));
      return;
    }
    const why = row
      ? `This notebook is detached: ${row.why_not}`
      : 'This notebook is detached: the cluster that it was attached to is gone.';
    this._warn(why, row);
  }

  /** The cluster that this server was made with (F036), until somebody chooses. */
  async _attachPreferred() {
    const row = this._clusters.find(this._clusters.preferred);
    if (row?.can_attach) {
      const attach = () => this._attach(row.uuid, { isChoice: false });
      await this._do(`Attaching to ${row.name}…`, attach);
    }
  }

  // While it is open ------------------------------------------------------------------------------

  _followCluster() {
    const uuid = this.cluster;
    if (!uuid || this.busy) {
      return;
    }
    const row = this._clusters.find(uuid);
    const state = row ? `${row.state} ${row.is_attached}` : 'gone';
    if (state === this._lastState) {
      return;
    }
    this._lastState = state;
    if (!row || (row.state !== 'RUNNING' && !row.is_attached)) {
      this._fallBack(uuid, row);
    } else if (row.state === 'RUNNING') {
      this._forgetWarning();
    } else if (KEEPS_KERNELS.includes(row.state)) {
      this._warn(
        `${row.name} is ${row.state}. This notebook keeps its variables; parallel cells work ` +
          `again when ${row.name} is RUNNING.`,
        row
      );
    }
  }

  /** The cluster's machines went, and with them the kernel. */
  async _fallBack(uuid, row) {
    const name = this._clusters.nameOf(uuid);
    await this._do('Detaching…', async () => {
      await this._session.changeKernel({ name: DETACHED_KERNEL });
      this._record(null);
      const what = row ? `is ${row.state}` : 'was removed';
      this._warn(`${name} ${what}, its kernel has ended. This notebook is detached now.`);
    });
  }

  _warn(sentence, row) {
    this._forgetWarning();
    const resume = { label: 'Resume', callback: () => this._resumeAndAttach(row) };
    const actions = row?.can_resume ? [resume] : [];
    this._warning = this._lab.Notification.warning(sentence, { autoClose: false, actions });
  }

  _forgetWarning() {
    if (this._warning) {
      this._lab.Notification.dismiss(this._warning);
      this._warning = '';
    }
  }

  // Little questions ------------------------------------------------------------------------------

  _hasRunningSession() {
    const running = [...this._services.sessions.running()];
    return running.some((model) => model.path === this._session.path);
  }

  async _isUsedElsewhere(uuid) {
    await this._services.sessions.refreshRunning();
    const running = [...this._services.sessions.running()];
    return running.some((model) => model.kernel?.name === PREFIX + uuid);
  }

  _record(cluster) {
    this._panel.model?.setMetadata(METADATA, { cluster });
  }

  _changed() {
    for (const listener of this._listeners) {
      listener();
    }
  }
}
