// Which file is sent next, and how many at once.

import { upload } from "./api.js";
import { FAILED, PENDING, SENDING, WAITING } from "./items.js";
import { Problem, asProblem } from "./problem.js";

// With those of jobs.js no more than a browser has connections to one address.
const AT_ONCE = 3;

export class Uploads {
  #underWay = new Map();
  #waiting = [];
  #session = null;

  constructor(items, pace, mostBytes) {
    Object.assign(this, { items, pace, mostBytes });
    items.addEventListener("removed", ({ detail }) => this.#drop(detail));
  }

  // Send what waits in the name of a session: {key, signal, onAccepted, onRefused}.
  start(session) {
    this.#session = session;
    this.#fill();
  }

  // What was under way waits again.
  stop() {
    this.#session = null;
  }

  add(items) {
    for (const item of items) {
      if (item.file.size > this.mostBytes) this.#fail(item, tooLarge(item.file, this.mostBytes));
      else this.#waiting.push(item);
    }
    this.#fill();
  }

  #fill() {
    while (this.#session && this.#underWay.size < AT_ONCE && this.#waiting.length) {
      this.#send(this.#waiting.shift(), this.#session);
    }
  }

  async #send(item, session) {
    const removal = new AbortController();
    const signal = AbortSignal.any([session.signal, removal.signal]);
    this.#underWay.set(item, removal);
    try {
      const accepted = await this.pace.run(() => this.#attempt(item, session.key, signal), signal);
      this.items.identify(item, accepted.imageId);
      this.items.change(item, { state: PENDING, jobId: accepted.jobId });
      session.onAccepted(item);
    } catch (error) {
      if (session.signal.aborted || error.isOfKey) this.#again(item);
      else if (!removal.signal.aborted) this.#fail(item, error);
      if (error.isOfKey) session.onRefused(error);
    } finally {
      this.#underWay.delete(item);
      this.#fill();
    }
  }

  async #attempt(item, key, signal) {
    await readable(item.file);
    const onSent = (sentBytes, allBytes) =>
      this.items.change(item, { state: SENDING, sentBytes, allBytes });
    onSent(0, item.file.size);
    try {
      return await upload(key, item.file, onSent, signal);
    } catch (error) {
      this.items.change(item, { state: WAITING, sentBytes: 0 });
      throw error;
    }
  }

  #again(item) {
    this.items.change(item, { state: WAITING, sentBytes: 0 });
    if (this.items.has(item)) this.#waiting.unshift(item);
  }

  #fail(item, error) {
    this.items.change(item, { state: FAILED, problem: asProblem(error) });
  }

  #drop(items) {
    const gone = new Set(items);
    this.#waiting = this.#waiting.filter((item) => !gone.has(item));
    for (const item of items) this.#underWay.get(item)?.abort(new Problem("removed"));
  }
}

// What has gone or changed since it was chosen breaks a request as a lost connection does.
async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Problem("unreadable-file");
  }
}

// The gateway says the same, but not before a browser has sent it all.
function tooLarge(file, mostBytes) {
  const [found, most] = [file.size, mostBytes].map((bytes) => bytes.toLocaleString("en"));
  return new Problem("image-too-large", {
    detail: `the image has ${found} bytes; the limit is ${most}`,
  });
}
