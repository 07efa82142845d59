// Checks the addresses that Kith signs: PATH?expires=SECONDS&signature=HMAC (docs/media.md).
import crypto from 'crypto';

const FORM = /^([^?]+\?expires=([0-9]{1,12}))&signature=([A-Za-z0-9_-]{43})$/;

function valid(r) {
    const found = FORM.exec(r.variables.request_uri);
    if (!found || Number(found[2]) < Date.now() / 1000) {
        return 'no';
    }
    // both are hashed again, so that the time of comparing them says nothing
    const mac = (text) => crypto.createHmac('sha256', r.variables.kith_secret).update(text).digest('base64url');
    return mac(mac(found[1])) === mac(found[3]) ? 'yes' : 'no';
}

export default { valid };
