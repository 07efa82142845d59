/** Parses the published keys of a device (XEP-0384 0.3). */
import type { Bundle } from '../crypto/crypto'
import { fromBase64 } from '../local/bytes'
import { NS } from '../xmpp/ns'
import { attribute, child, children, textOf, type Xml } from '../xmpp/xml'

/** Undefined: it is none. */
export function bundleIn(bundle: Xml | undefined): Bundle | undefined {
  const signed = child(bundle, NS.omemo, 'signedPreKeyPublic')
  if (!bundle || !signed) return undefined
  try {
    return {
      identity: fromBase64(textOf(child(bundle, NS.omemo, 'identityKey'))),
      signedPrekey: {
        id: Number(attribute(signed, 'signedPreKeyId')),
        key: fromBase64(textOf(signed)),
        signature: fromBase64(textOf(child(bundle, NS.omemo, 'signedPreKeySignature')))
      },
      prekeys: children(child(bundle, NS.omemo, 'prekeys'), NS.omemo, 'preKeyPublic').map((one) => ({
        id: Number(attribute(one, 'preKeyId')),
        key: fromBase64(textOf(one))
      }))
    }
  } catch {
    return undefined
  }
}
