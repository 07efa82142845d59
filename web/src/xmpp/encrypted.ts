/** Builds and parses `<encrypted/>` of OMEMO 0.3 (XEP-0384). */
import { base64 } from '@scure/base'
import type { Envelope } from '../crypto/crypto'
import { fromBase64 } from '../local/bytes'
import { NS } from './ns'
import { attribute, child, children, el, type OutgoingXml, textOf, type Xml } from './xml'

/** What is encrypted beside the text; undefined: there is nothing. */
export function extraOf({ extra }: Envelope): OutgoingXml | undefined {
  return (
    extra && el('sealed', { xmlns: NS.kithExtra, iv: base64.encode(extra.iv) }, base64.encode(extra.data))
  )
}

export function encrypted({ sender, iv, keys, payload }: Envelope): OutgoingXml {
  const header = el(
    'header',
    { sid: String(sender) },
    ...keys.map(({ device, prekey, data }) =>
      el('key', { rid: String(device), prekey: prekey ? 'true' : undefined }, base64.encode(data))
    ),
    el('iv', {}, base64.encode(iv))
  )
  return el('encrypted', { xmlns: NS.omemo }, header, payload && el('payload', {}, base64.encode(payload)))
}

/** Content for this app only, encrypted with the message's key (`sealed.ts`). */
export function sealedIn(message: Xml): Uint8Array | undefined {
  const element = child(message, NS.kithSealed, 'sealed')
  if (!element) return undefined
  try {
    return fromBase64(textOf(element))
  } catch {
    return undefined
  }
}

function extraIn(message: Xml): Envelope['extra'] {
  const element = child(message, NS.kithExtra, 'sealed')
  if (!element) return undefined
  try {
    return { iv: fromBase64(attribute(element, 'iv')), data: fromBase64(textOf(element)) }
  } catch {
    return undefined
  }
}

/** Undefined: there is none, or it is invalid. */
export function envelopeOf(message: Xml): Envelope | undefined {
  const element = child(message, NS.omemo, 'encrypted')
  const header = child(element, NS.omemo, 'header')
  if (!element || !header) return undefined
  try {
    const payload = child(element, NS.omemo, 'payload')
    const extra = extraIn(message)
    return {
      sender: Number(attribute(header, 'sid')),
      iv: fromBase64(textOf(child(header, NS.omemo, 'iv'))),
      keys: children(header, NS.omemo, 'key').map((key) => ({
        device: Number(attribute(key, 'rid')),
        prekey: ['true', '1'].includes(attribute(key, 'prekey')),
        data: fromBase64(textOf(key))
      })),
      ...(payload && { payload: fromBase64(textOf(payload)) }),
      ...(extra && { extra })
    }
  } catch {
    return undefined
  }
}
