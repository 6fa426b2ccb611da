// The calls that the page makes, and nothing of what becomes of their answers.

import { problemOf, unreachable } from "./problem.js";

const ANSWER_MILLISECONDS = 30_000;
// The gateway gives up a body of which nothing comes for a quarter of this.
const SILENCE_MILLISECONDS = 60_000;
// The gateway's own patience with a function, and some more.
const DECISION_MILLISECONDS = 120_000;

// Tell whose key it is: {tenant, scope}.
export async function whoIs(key, signal) {
  return await get("/api/v1/key", key, signal);
}

// Tell a job's state: {jobId, imageId, status, result or error}.
export async function job(key, jobId, signal) {
  return await get(`/api/v1/jobs/${encodeURIComponent(jobId)}`, key, signal);
}

// Whether anybody answers at all.
export async function isThere(signal) {
  try {
    return (await ask("/healthz", {}, signal)).ok;
  } catch {
    return false;
  }
}

// Send one file: {jobId, imageId}. `onSent` is told how many bytes have gone, of how many.
export function upload(key, file, onSent, signal) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    form.append("file", file, file.name);
    // Only this way does a browser tell how much has been sent.
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    let patience;
    const waitFor = (milliseconds) => {
      clearTimeout(patience);
      patience = setTimeout(stop, milliseconds);
    };
    const end = (settle, value) => {
      clearTimeout(patience);
      signal.removeEventListener("abort", stop);
      settle(value);
    };
    request.upload.onprogress = ({ loaded, total }) => {
      waitFor(SILENCE_MILLISECONDS);
      onSent(Math.min(loaded, total), total);
    };
    request.upload.onload = () => waitFor(DECISION_MILLISECONDS);
    request.onload = () => {
      const { status, responseText } = request;
      const accepted = status >= 200 && status < 300 ? parsed(responseText) : null;
      if (accepted?.jobId) end(resolve, accepted);
      else end(reject, problemOf(status, responseText, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => end(reject, unreachable());
    request.onabort = () => end(reject, signal.aborted ? signal.reason : unreachable());
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", stop);
    request.open("POST", "/api/v1/images");
    request.setRequestHeader("X-Api-Key", key);
    waitFor(SILENCE_MILLISECONDS);
    request.send(form);
  });
}

async function get(path, key, signal) {
  let answer, text;
  try {
    answer = await ask(path, { "X-Api-Key": key }, signal);
    text = await answer.text();
  } catch (error) {
    throw signal?.aborted ? signal.reason : unreachable();
  }
  const body = answer.ok ? parsed(text) : null;
  if (!body) throw problemOf(answer.status, text, answer.headers.get("Retry-After"));
  return body;
}

async function ask(path, headers, signal) {
  const impatience = AbortSignal.timeout(ANSWER_MILLISECONDS);
  return await fetch(path, {
    headers,
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    signal: signal ? AbortSignal.any([signal, impatience]) : impatience,
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
