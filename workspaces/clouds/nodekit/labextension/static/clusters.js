// The clusters of the workspace as the platform tells them, asked again and again while the page
// is looked at.

const ADDRESS = '/_bodoweb/';
const CALM_MS = 3000;
const EAGER_MS = 1000;
const SETTLED = ['RUNNING', 'PAUSED', 'STOPPED', 'FAILED'];
const UNREACHABLE = 'The platform can not be reached. Check your connection, then try again.';

/** Answers what the platform says; throws an Error with a sentence for the user. */
export async function ask(name, cluster) {
  const options = { cache: 'no-store', credentials: 'same-origin' };
  if (cluster) {
    options.method = 'POST';
    options.headers = { 'Content-Type': 'application/json' };
    options.body = JSON.stringify({ cluster });
  }
  let response;
  try {
    response = await fetch(ADDRESS + name, options);
  } catch {
    throw new Error(UNREACHABLE);
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) {
    return answer;
  }
  throw new Error(answer?.message || `The platform answered ${response.status}. Try again.`);
}

export class ClusterList {
  constructor(Poll) {
    this.rows = null; // null until the platform has answered
    this.preferred = null;
    this.url = '';
    this._names = new Map();
    this._listeners = new Set();
    this._poll = new Poll({
      name: 'bodoweb-clusters',
      factory: () => this._read(),
      frequency: { interval: CALM_MS, backoff: true, max: 10 * CALM_MS },
      standby: 'when-hidden',
    });
  }

  /** ``listener`` is called after each answer; answers how to stop that. */
  listen(listener) {
    this._listeners.add(listener);
    return () => this._listeners.delete(listener);
  }

  find(uuid) {
    return this.rows?.find((row) => row.uuid === uuid);
  }

  /** Also of one that is gone, if it was ever seen. */
  nameOf(uuid) {
    return this._names.get(uuid) || 'The cluster';
  }

  /** Resolves with the rows of an answer that is not older than the call; throws a sentence. */
  async refresh() {
    await this._read();
    return this.rows;
  }

  /** Resolves with the row as soon as ``isSo(row)``; ``row`` is undefined where there is none. */
  until(uuid, isSo) {
    return new Promise((resolve) => {
      const look = () => {
        if (isSo(this.find(uuid))) {
          stop();
          resolve(this.find(uuid));
        }
      };
      const stop = this.listen(look);
      this._poll.refresh();
    });
  }

  async _read() {
    const answer = await ask('clusters');
    this.rows = answer.clusters;
    this.preferred = answer.preferred;
    this.url = answer.url;
    for (const row of this.rows) {
      this._names.set(row.uuid, row.name);
    }
    const moves = this.rows.some((row) => !SETTLED.includes(row.state));
    const interval = moves ? EAGER_MS : CALM_MS;
    if (this._poll.frequency.interval !== interval) {
      this._poll.frequency = { ...this._poll.frequency, interval };
    }
    for (const listener of [...this._listeners]) {
      listener();
    }
  }
}
