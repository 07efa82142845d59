/** What the app asks of the service for uploads of its server: slots (XEP-0363), claims, usage (docs/media.md). */
import { base64urlnopad } from '@scure/base'
import type { UploadSlot } from '../local/file-types'
import type { Address, Moment } from '../local/types'
import { domainOf } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import type { Wire } from '../xmpp/wire'
import { attribute, child, children, el, textOf } from '../xmpp/xml'

/** The space that files take on the server, in bytes; 0: without a limit. */
export interface Usage {
  bytes: number
  of: number
  today: number
  daily: number
  file: number
}

export function uploadService(me: Address): string {
  return `upload.${domainOf(me)}`
}

/** Asks for a slot. `claim`: the secret of the file, if it is encrypted. Rejects with Refused. */
export async function requestSlot(
  wire: Wire,
  me: Address,
  file: { name: string; size: number; type: string; claim?: Uint8Array<ArrayBuffer>; until?: Moment }
): Promise<UploadSlot> {
  const { name, size, type, claim, until } = file
  const hash = claim && base64urlnopad.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', claim)))
  const answer = await wire.request(
    'get',
    uploadService(me),
    el(
      'request',
      { xmlns: NS.upload, filename: name, size: String(size), 'content-type': type },
      el('resumable', {
        xmlns: NS.kithMedia,
        claim: hash,
        until: until === undefined ? undefined : new Date(until).toISOString()
      })
    )
  )
  const slot = child(answer, NS.upload, 'slot')
  const put = child(slot, NS.upload, 'put')
  const header = children(put, NS.upload, 'header').find((one) => attribute(one, 'name') === 'Authorization')
  const resumable = child(slot, NS.kithMedia, 'resumable')
  return {
    put: attribute(resumable, 'url'),
    authorization: textOf(header),
    get: attribute(child(slot, NS.upload, 'get'), 'url')
  }
}

/** Holds a file on the server for the user, which somebody else has uploaded. Rejects with Refused. */
export async function claimBlob(wire: Wire, me: Address, url: string, secret: Uint8Array): Promise<void> {
  const claim = { xmlns: NS.kithMedia, blob: blobOf(url), secret: base64urlnopad.encode(secret) }
  await wire.request('set', uploadService(me), el('claim', claim))
}

export async function releaseBlob(wire: Wire, me: Address, url: string): Promise<void> {
  await wire.request('set', uploadService(me), el('release', { xmlns: NS.kithMedia, blob: blobOf(url) }))
}

export async function usage(wire: Wire, me: Address): Promise<Usage> {
  const answer = await wire.request('get', uploadService(me), el('usage', { xmlns: NS.kithMedia }))
  const element = child(answer, NS.kithMedia, 'usage')
  const number = (name: string): number => Number(attribute(element, name)) || 0
  return {
    bytes: number('bytes'),
    of: number('of'),
    today: number('today'),
    daily: number('daily'),
    file: number('file')
  }
}

/** The name of a blob, from its address `https://HOST/m/BLOB/NAME`. */
export function blobOf(url: string): string {
  return /^\/m\/([\w-]{10,64})(?:\/|$)/.exec(new URL(url).pathname)?.[1] ?? ''
}

/** The address at the own server from which a file of another server is fetched. Rejects with Refused. */
export async function proxied(wire: Wire, me: Address, url: string): Promise<string> {
  const answer = await wire.request('get', uploadService(me), el('fetch', { xmlns: NS.kithMedia, url }))
  return attribute(child(answer, NS.kithMedia, 'fetch'), 'url')
}
