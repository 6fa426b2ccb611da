// Who calls: which key a client has, and what the function that is called is told of it.
// pipeline/http/identity.py reads these tokens.

const crypto = require('crypto');

// The SHA-256 of the client's key; keys are known by it alone, and so only as they are written.
function digest(r) {
    const key = r.headersIn['X-Api-Key'];
    return key ? crypto.createHash('sha256').update(key).digest('hex') : '';
}

// A token for this request and the function it goes to; empty for functions that are not ours.
function token(r) {
    const told = r.variables;
    if (!told.function_key || !told.tenant) {
        return '';
    }
    const payload = JSON.stringify({
        sender: 'gateway',
        function: told.function_called,
        tenant: told.tenant,
        scopes: told.scopes.split(' '),
        keyId: told.key_digest.substring(0, 12),
        method: r.method,
        path: told.path_called,
        traceId: told.trace_id,
        expires: Math.floor(Date.now() / 1000) + Number(told.token_seconds),
    });
    const signed = `v1.${Buffer.from(payload).toString('base64url')}`;
    const signature = crypto.createHmac('sha256', told.function_key).update(signed);
    return `${signed}.${signature.digest('base64url')}`;
}

export default { digest, token };
