// What is seen of an attachment: a select of the browser's own, with its labels and its keys.

const OPENING_KEYS = ['ArrowDown', 'ArrowUp', 'Home', 'End', 'PageDown', 'PageUp'];
const TO_THE_PLATFORM = 'platform';

function option(value, text, { isDisabled = false, title = '' } = {}) {
  const made = new Option(text, value);
  made.disabled = isDisabled;
  made.title = title;
  return made;
}

function group(label, options) {
  const made = document.createElement('optgroup');
  made.label = label;
  made.append(...options);
  return made;
}

function described(row) {
  return `${row.name} · Bodo ${row.bodo_version} · ${row.state}`;
}

export class Selector {
  constructor(attachment, clusters) {
    this._attachment = attachment;
    this._clusters = clusters;
    this._shown = '';
    this._select = document.createElement('select');
    this._select.setAttribute('aria-label', 'Cluster of this notebook');
    this.node = document.createElement('div');
    this.node.className = 'jp-HTMLSelect jp-DefaultStyle bodoweb-clusters';
    this.node.append(this._select);
    this._select.addEventListener('change', () => this._choose());
    this._select.addEventListener('keydown', (event) => this._openByKey(event));
    this._select.addEventListener('blur', () => this._draw());
    this._stopListening = clusters.listen(() => this._draw());
    attachment.listen(() => this._draw());
    this._draw();
  }

  dispose() {
    this._stopListening();
  }

  _choose() {
    const value = this._select.value;
    this._shown = '';
    if (value === TO_THE_PLATFORM) {
      window.open(this._clusters.url, '_blank', 'noopener');
      this._draw();
    } else {
      this._attachment.choose(value);
    }
  }

  /** A closed select would change, and so attach, with every step of an arrow key. */
  _openByKey(event) {
    const isLetter = event.key.length === 1 && event.key !== ' ';
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (isPlain && (isLetter || OPENING_KEYS.includes(event.key))) {
      event.preventDefault();
      this._select.showPicker();
    }
  }

  /** Only where something changed, and not under the eyes of who is just choosing. */
  _draw() {
    const { busy, cluster } = this._attachment;
    const shown = JSON.stringify([busy, cluster, this._clusters.rows]);
    if (shown === this._shown || this._isOpen()) {
      return;
    }
    this._shown = shown;
    const row = this._clusters.find(cluster);
    const isLost = Boolean(cluster && this._clusters.rows && row?.state !== 'RUNNING');
    this.node.classList.toggle('is-attached', Boolean(cluster));
    this.node.classList.toggle('is-lost', isLost);
    this._select.replaceChildren(...(busy ? [option('', busy)] : this._options(cluster, row)));
    this._select.disabled = Boolean(busy);
    this._select.setAttribute('aria-busy', String(Boolean(busy)));
    this._select.value = busy ? '' : cluster;
    this._select.title = busy || this._select.selectedOptions[0]?.text || '';
  }

  _options(cluster, row) {
    const made = [];
    if (cluster) {
      const text = row ? described(row) : this._clusters.nameOf(cluster);
      made.push(group('Attached Cluster:', [option(cluster, text)]));
    }
    made.push(option('', 'Detached'), group('Attach:', this._others(cluster)));
    return made;
  }

  _others(cluster) {
    const { rows } = this._clusters;
    if (!rows) {
      return [option('waiting', 'Asking the platform…', { isDisabled: true })];
    }
    const others = rows.filter((row) => row.uuid !== cluster);
    if (!rows.length) {
      return [option(TO_THE_PLATFORM, 'No clusters yet. Create one…')];
    }
    return others.map((row) =>
      option(row.uuid, described(row), {
        isDisabled: !row.can_attach && !row.can_resume,
        title: row.why_not,
      })
    );
  }

  _isOpen() {
    return CSS.supports('selector(:open)') && this._select.matches(':open');
  }
}
