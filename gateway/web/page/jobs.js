// What has become of accepted pictures: few questions for many jobs, in the order of acceptance.
//
// Jobs end about in the order in which they began, so the first few alone are asked for: an end
// is followed by the next question at once, "pending" by a wait that grows as long as nothing ends.

import { job } from "./api.js";
import { COMPLETED, FAILED } from "./items.js";
import { pause } from "./pace.js";
import { Problem, asProblem } from "./problem.js";

// With those of uploads.js no more than a browser has connections to one address.
const AT_ONCE = 2;
// So many are asked for in turn; one that was asked for so often lets others come first.
const ASKED_IN_TURN = 6;
const TURNS_IN_FRONT = 8;
const SHORTEST_WAIT_SECONDS = 0.15;
const LONGEST_WAIT_SECONDS = 4;
const GROWTH = 1.5;
// A job may be cancelled by another client with the same key.
const ENDED_BADLY = new Set(["failed", "cancelled"]);

export class Jobs {
  #waiting = [];
  #asking = 0;
  #asked = new WeakMap();
  #session = null;
  #wait = SHORTEST_WAIT_SECONDS;

  constructor(items, pace) {
    Object.assign(this, { items, pace });
    items.addEventListener("removed", ({ detail }) => this.#drop(detail));
  }

  // Ask in the name of a session: {key, signal, onRefused}.
  start(session) {
    this.#session = session;
    this.#fill();
  }

  stop() {
    this.#session = null;
  }

  watch(item) {
    this.#asked.set(item, 0);
    this.#waiting.push(item);
    this.#wait = SHORTEST_WAIT_SECONDS;
    this.#fill();
  }

  #fill() {
    while (this.#session && this.#asking < AT_ONCE && this.#waiting.length) {
      this.#ask(this.#waiting.shift(), this.#session);
    }
  }

  async #ask(item, session) {
    this.#asking += 1;
    try {
      const { signal } = session;
      const told = await this.pace.run(() => job(session.key, item.jobId, signal), signal);
      if (told.status === "completed") this.#end(item, { state: COMPLETED, result: told.result });
      else if (ENDED_BADLY.has(told.status)) {
        this.#end(item, { state: FAILED, problem: failure(told) });
      } else await this.#again(item, signal);
    } catch (error) {
      if (session.signal.aborted || error.isOfKey || error.isUnlucky) this.#back(item, 0);
      else this.#end(item, { state: FAILED, problem: asProblem(error) });
      if (error.isOfKey) session.onRefused(error);
    } finally {
      this.#asking -= 1;
      this.#fill();
    }
  }

  #end(item, fields) {
    this.#wait = SHORTEST_WAIT_SECONDS;
    this.items.change(item, fields);
  }

  async #again(item, signal) {
    const turns = this.#asked.get(item) + 1;
    this.#asked.set(item, turns);
    this.#wait = Math.min(this.#wait * GROWTH, LONGEST_WAIT_SECONDS);
    await pause(this.#wait, signal);
    this.#back(item, turns % TURNS_IN_FRONT ? ASKED_IN_TURN : this.#waiting.length);
  }

  #back(item, place) {
    if (this.items.has(item)) this.#waiting.splice(place, 0, item);
  }

  #drop(items) {
    const gone = new Set(items);
    this.#waiting = this.#waiting.filter((item) => !gone.has(item));
  }
}

function failure({ status, error = {} }) {
  return new Problem(String(error.code ?? status), {
    detail: String(error.detail ?? ""),
    traceId: String(error.traceId ?? ""),
  });
}
