// The certificate that is shown to whoever shakes hands, read each time: a new one counts from the
// next handshake on, and no connection is dropped for it.
import fs from 'fs';

// Chain and key are one file, replaced in one step: they are of one another, whenever it is read.
function pair(r) {
    return fs.readFileSync(r.variables.tls_pair_file).toString();
}

export default {pair};
