/**
 * What one side of a call offers, between SDP (`sdp.ts`) and Jingle (`jingle.ts`). All texts are checked when they are
 * read, so that nothing of them can become a line of SDP of its own.
 */
export interface Candidate {
  foundation: string
  component: number
  protocol: 'udp' | 'tcp'
  priority: number
  ip: string
  port: number
  type: 'host' | 'srflx' | 'prflx' | 'relay'
  relatedIp?: string
  relatedPort?: number
  tcpType?: string
}

export interface Payload {
  id: number
  name: string
  clockrate: number
  channels: number
  parameters: [name: string, value: string][]
  feedback: [type: string, subtype: string][]
}

export interface Fingerprint {
  hash: string
  /** In upper case, as in SDP. */
  value: string
  setup: 'actpass' | 'active' | 'passive'
}

export interface Transport {
  ufrag: string
  pwd: string
  fingerprint?: Fingerprint
  candidates: Candidate[]
}

export type Side = 'initiator' | 'responder'
export type Senders = Side | 'both' | 'none'

/** One kind of media (a `<content/>`, a media section of SDP). */
export interface Content {
  name: string
  creator: Side
  senders: Senders
  media: 'audio' | 'video'
  payloads: Payload[]
  feedback: [type: string, subtype: string][]
  extensions: { id: number; uri: string }[]
  mixed: boolean
  sources: { ssrc: number; parameters: [name: string, value: string][] }[]
  groups: { semantics: string; sources: number[] }[]
  transport: Transport
}

/** Several contents, and which of them share a transport (XEP-0338). */
export interface Description {
  contents: Content[]
  bundle: string[]
}

/** What somebody sent is not valid, or larger than any real call needs. */
export class Unacceptable extends Error {}

export const MOST = {
  contents: 4,
  payloads: 80,
  parameters: 32,
  feedback: 16,
  extensions: 32,
  sources: 16,
  groups: 8,
  candidates: 64
} as const

/** By what a text may be: tokens of SDP (RFC 8866 §9), and values that contain nothing that ends a line or a value. */
export const FORMS = {
  name: /^[A-Za-z0-9_.-]{1,32}$/,
  token: /^[A-Za-z0-9!#$%&'*+.^_`{|}~/-]{1,64}$/,
  value: /^[\x21-\x3a\x3c-\x7e]{0,256}$/,
  uri: /^[\x21-\x7e]{1,256}$/,
  ufrag: /^[A-Za-z0-9+/]{4,256}$/,
  pwd: /^[A-Za-z0-9+/]{22,256}$/,
  hash: /^sha-(?:1|224|256|384|512)$/,
  fingerprint: /^[0-9A-F]{2}(?::[0-9A-F]{2}){19,63}$/
} as const

/** The length in bytes of each hash that may authenticate a certificate. SHA-1 can be forged. */
const HASH_BYTES: Record<string, number> = { 'sha-256': 32, 'sha-384': 48, 'sha-512': 64 }

export function checked(text: string, form: keyof typeof FORMS): string {
  if (!FORMS[form].test(text)) throw new Unacceptable(form)
  return text
}

export function bounded<T>(all: T[], most: keyof typeof MOST): T[] {
  if (all.length > MOST[most]) throw new Unacceptable(`too many ${most}`)
  return all
}

export function integer(text: string, least: number, most: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN
  if (!(value >= least && value <= most)) throw new Unacceptable('number')
  return value
}

export function fingerprint(hash: string, value: string, setup: string): Fingerprint {
  const kind = hash.toLowerCase()
  const text = value.trim().toUpperCase()
  if (!FORMS.fingerprint.test(text) || (text.length + 1) / 3 !== HASH_BYTES[kind])
    throw new Unacceptable('fingerprint')
  if (setup !== 'actpass' && setup !== 'active' && setup !== 'passive') throw new Unacceptable('setup')
  return { hash: kind, value: text, setup }
}

/** Whether both are the same certificate. */
export function sameCertificate(one: Fingerprint | undefined, other: Fingerprint | undefined): boolean {
  return one !== undefined && one.hash === other?.hash && one.value === other.value
}
