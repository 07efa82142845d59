/**
 * The codes for linking a device: links that a camera can open, whose fragment the server never gets. They hold a
 * public key and a secret, both made for this one linking. The same format, byte for byte, as in `kith link`
 * (src/kith/client/linking.py).
 *
 * A new device shows a code. An invitation has another version in front, and is shown by a device that is logged in
 * (`invitation.ts`).
 */
import { base64urlnopad } from '@scure/base'
import { type Bytes, fromBase64url } from '../local/bytes'

const VERSION = '1'
const INVITATION = '2'
const PATH = '/link#'
const ID = /^[0-9a-f]{32}$/

/** A text is not a valid code, or what was received was not encrypted for it. */
export class BadCode extends Error {
  override name = 'BadCode'
}

/**
 * `base`: the URL of the server's API; `id`: of the mailbox there; `key`: 32 bytes, `secret`: 16 bytes; `name`: what
 * the device that shows the code is called.
 */
export interface Code {
  base: string
  id: string
  key: Bytes
  secret: Bytes
  name: string
}

export function codeText(code: Code): string {
  return textOfCode(VERSION, code)
}

export function invitationText(code: Code): string {
  return textOfCode(INVITATION, code)
}

/** Parses the code of a new device. Throws BadCode. */
export function parseCode(text: string): Code {
  return codeIn(VERSION, text)
}

/** Parses the invitation of a device that is logged in at the server whose API is at `base`. Throws BadCode. */
export function parseInvitation(text: string, base: string): Code {
  const code = codeIn(INVITATION, text)
  if (code.base !== base) throw new BadCode('it is of another server')
  return code
}

function textOfCode(version: string, { base, id, key, secret, name }: Code): string {
  const parts = [
    version,
    id,
    base64urlnopad.encode(key),
    base64urlnopad.encode(secret),
    encodeURIComponent(name.replace(/[\ud800-\udfff]/gu, '\ufffd'))
  ]
  return base.replace(/\/+$/, '') + PATH + parts.join('.')
}

function codeIn(wanted: string, text: string): Code {
  const [base, fragment] = split(text.trim(), PATH)
  const [version, id, key, secret, ...name] = fragment.split('.')
  if (
    version !== wanted ||
    id === undefined ||
    key === undefined ||
    secret === undefined ||
    name.length === 0
  ) {
    throw new BadCode('that is not the code of a new device')
  }
  let code: Code
  try {
    code = {
      base,
      id,
      key: fromBase64url(key),
      secret: fromBase64url(secret),
      name: decodeURIComponent(name.join('.'))
    }
  } catch {
    throw new BadCode('that is not the code of a new device')
  }
  if (code.key.length !== 32 || code.secret.length !== 16 || !ID.test(id))
    throw new BadCode('the code is not complete')
  return code
}

function split(text: string, by: string): [string, string] {
  const at = text.indexOf(by)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + by.length)]
}
