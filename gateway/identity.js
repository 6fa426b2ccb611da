// Who calls: which key a client has, what it stands for, and what the function is told of it.
// imagectl/keys/record.py writes what is known of a key, pipeline/http/identity.py reads the tokens.

const crypto = require('crypto');
const fs = require('fs');

// How often it is noted, at most, that a key was used.
const USED_EVERY_MILLISECONDS = 60000;
const NO_ERROR = { throwIfNoEntry: false };
// Requests a second, minute or hour, and how many at once; or none.
const LIMIT = /^(?:[1-9][0-9]{0,7}\/[smh] [1-9][0-9]{0,7}|none .*)$/;
const WRITTEN = /^[a-z0-9-]+ [0-9a-f]{12} [a-z]+( [a-z]+)*$/;

// The SHA-256 of the client's key; keys are known by it alone, and so only as they are written.
function digest(r) {
    const key = r.headersIn['X-Api-Key'];
    return key ? crypto.createHash('sha256').update(key).digest('hex') : '';
}

// What the key stands for: "<tenant> <its id> <scopes>", or "!" and what is wrong with it. Its file
// is read at each request, so what imagectl changes is in force with the next one. How often the key
// may ask is left in $key_limit, for rates.js.
function record(r) {
    const digest = r.variables.key_digest;
    if (!digest) {
        return '!no key';
    }
    const path = `${r.variables.keys_dir}/${digest}`;
    const noted = `${r.variables.keys_used_dir}/${digest}`;
    let used, text;
    try {
        used = fs.statSync(noted, NO_ERROR);
        // What cannot be read is an error, which costs fifty times as much as a look: guessing must
        // not be dear for us. A key that was used is there.
        if (!used && !fs.statSync(path, NO_ERROR)) {
            return '!a key that is not known';
        }
        text = fs.readFileSync(path, 'utf8');
    } catch (error) {
        if (error.code != 'ENOENT') {
            r.error(`the key ${digest.substring(0, 12)} cannot be looked up: ${error.message}`);
        }
        return '!a key that is not known';
    }
    const told = standsFor(r, text, digest);
    if (!told) {
        r.error(`what is known of the key ${digest.substring(0, 12)} cannot be read`);
        return '!a key that is not known';
    }
    if (told[0] != '!') {
        noteUse(r, noted, used);
    }
    return told;
}

// The same for the text of a key's file; empty if that is none.
function standsFor(r, text, digest) {
    try {
        const known = JSON.parse(text);
        if (known.revoked != null) {
            return '!a key that was revoked';
        }
        if (known.expires != null && !(known.expires * 1000 > Date.now())) {
            return '!a key that has expired';
        }
        const told = `${known.tenant} ${digest.substring(0, 12)} ${known.scopes.join(' ')}`;
        const usual = r.variables.usual_limit;
        const limit = known.rate ? `${known.rate} ${known.burst}` : usual;
        if (typeof known.tenant != 'string' || !WRITTEN.test(told) || !LIMIT.test(limit)) {
            return '';
        }
        r.variables.key_limit = `${limit} ${known.counted || digest}`;
        return told;
    } catch (error) {
        return '';
    }
}

// An empty file is written anew: its age says when the key was used last.
function noteUse(r, path, before) {
    const age = before ? Date.now() - before.mtimeMs : -1;
    if (age >= 0 && age < USED_EVERY_MILLISECONDS) {
        return;
    }
    try {
        fs.writeFileSync(path, '', { mode: 0o600 });
    } catch (error) {
        // The disk is full: who calls is known all the same.
        r.warn(`it cannot be noted that the key is used: ${error.message}`);
    }
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
        keyId: told.key_id,
        method: r.method,
        path: told.path_called,
        traceId: told.trace_id,
        expires: Math.floor(Date.now() / 1000) + Number(told.token_seconds),
    });
    const signed = `v1.${Buffer.from(payload).toString('base64url')}`;
    const signature = crypto.createHmac('sha256', told.function_key).update(signed);
    return `${signed}.${signature.digest('base64url')}`;
}

export default { digest, record, token };
