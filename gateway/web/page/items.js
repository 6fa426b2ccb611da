// The pictures on the page and what has become of each; whoever shows them is told of changes.

export const WAITING = "waiting"; // to be sent
export const SENDING = "sending";
export const PENDING = "pending"; // accepted, not classified
export const COMPLETED = "completed";
export const FAILED = "failed";

const ENDED = new Set([COMPLETED, FAILED]);

let made = 0;

export class Item {
  constructor(file) {
    this.id = `picture-${(made += 1)}`;
    this.file = file;
    this.name = file.name || "without a name";
    this.forget();
  }

  // As before it was sent for the first time.
  forget() {
    this.state = WAITING;
    this.sentBytes = 0;
    this.allBytes = 0;
    this.jobId = "";
    this.imageId = "";
    this.sameAs = "";
    this.result = null;
    this.problem = null;
  }

  get hasEnded() {
    return ENDED.has(this.state);
  }
}

export class Items extends EventTarget {
  #items = new Map();
  // The first item of each image id.
  #firsts = new Map();

  get all() {
    return [...this.#items.values()];
  }

  get size() {
    return this.#items.size;
  }

  has(item) {
    return this.#items.has(item.id);
  }

  add(files) {
    const added = files.map((file) => new Item(file));
    for (const item of added) this.#items.set(item.id, item);
    this.#tell("added", added);
    return added;
  }

  // Change fields of an item; one that was removed meanwhile stays so.
  change(item, fields) {
    if (!this.has(item)) return;
    Object.assign(item, fields);
    this.#tell("changed", [item]);
  }

  // Note which image an item is; equal bytes have one image id.
  identify(item, imageId) {
    if (!this.has(item)) return;
    const first = this.#firsts.get(imageId) ?? item;
    this.#firsts.set(imageId, first);
    this.change(item, { imageId, sameAs: first === item ? "" : first.name });
  }

  restart(item) {
    item.forget();
    this.change(item, {});
  }

  remove(items) {
    const removed = items.filter((item) => this.#items.delete(item.id));
    for (const item of removed) {
      if (this.#firsts.get(item.imageId) === item) this.#firsts.delete(item.imageId);
    }
    this.#tell("removed", removed);
  }

  #tell(what, items) {
    if (items.length) this.dispatchEvent(new CustomEvent(what, { detail: items }));
  }
}
