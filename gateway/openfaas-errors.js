// What OpenFaaS' own gateway says in words of its own, where a function of ours is away, becomes a
// problem of the same status, which cannot be changed here. Ours answer in JSON, whatever they
// answer, so anything else with an error is not theirs.

const SAID = {
    404: ['function-not-found', 'OpenFaaS has no such function now'],
    429: ['too-many-requests', 'OpenFaaS has as many requests under way as it may have; try again'],
    500: ['internal', 'OpenFaaS did not reach the function; try again'],
    502: ['function-broke-off', 'the function, or OpenFaaS itself, ended in the middle; try again'],
    503: ['unavailable', 'the function does not answer; try again'],
    504: ['function-too-slow', "no answer came within OpenFaaS' own timeouts"],
};
const REFUSED = ['bad-request', 'OpenFaaS refuses this request'];

function header(r) {
    if (!isOpenFaas(r)) {
        return;
    }
    // A charset that was said before stays behind it; JSON has this one anyway.
    r.headersOut['Content-Type'] = 'application/problem+json';
    delete r.headersOut['Content-Length'];
    if (r.status == 429 || (r.status >= 500 && r.status != 504)) {
        r.headersOut['Retry-After'] = '2';
    }
}

function body(r, data, flags) {
    if (!isOpenFaas(r)) {
        r.sendBuffer(data, flags);
        r.done();
    } else if (flags.last) {
        const said = SAID[r.status] || (r.status < 500 ? REFUSED : SAID[500]);
        const problem = {
            type: `urn:image-pipeline:problem:${said[0]}`,
            title: said[0].replace(/-/g, ' '),
            status: r.status,
            detail: said[1],
            traceId: r.variables.trace_id,
        };
        r.sendBuffer(`${JSON.stringify(problem)}\n`, flags);
    }
}

function isOpenFaas(r) {
    const kind = r.variables.upstream_http_content_type || '';
    return r.status >= 400 && !kind.includes('json');
}

export default { header, body };
