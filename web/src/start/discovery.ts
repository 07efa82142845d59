/**
 * Contact discovery: which phone numbers have an account, without showing the address book to the server. Uses a
 * verifiable oblivious pseudorandom function (RFC 9497, ristretto255 with SHA-512), like src/kith/client/discovery.py;
 * see docs/security.md.
 */
import { base64urlnopad } from '@scure/base'
import { type Bytes, fromBase64url } from '../local/bytes'
import type { Database } from '../local/database'
import { textOf, type Ask } from './ask'

/** How many numbers one request has: few enough that the page does not freeze for long. */
const BATCH = 100
const FACT = 'discovery'
const PROOF = 64

/** The server can't prove that it used the key that it shows. */
export class OtherKey extends Error {}

/** The server's key, and the value of the function for each number, which is valid as long as the key is the same. */
interface Kept {
  key: string
  values: Record<string, string>
}

/**
 * The numbers (E.164) that have an account. Values are stored, since the server evaluates only a limited number per
 * day. Rejects as `ask` does, and with OtherKey.
 */
export async function discover(db: Database, ask: Ask, numbers: string[]): Promise<string[]> {
  const members = await ask('GET', '/api/contacts/members')
  const key = textOf(members, 'public_key')
  const tags = fromBase64url(textOf(members, 'tags'))
  const size = Number((members as { tag_bytes?: unknown }).tag_bytes)
  if (!(Number.isInteger(size) && size >= 8 && size <= 64)) throw new TypeError('the tags have no size')
  const stored = await db.fact<Kept>(FACT)
  const kept = stored?.key === key ? stored : { key, values: {} } // another one after `kith secret rotate`
  const there = new Set<string>()
  for (let at = 0; at < tags.length; at += size)
    there.add(base64urlnopad.encode(tags.subarray(at, at + size)))
  const missing = [...new Set(numbers)].filter((number) => !Object.hasOwn(kept.values, number))
  for (let at = 0; at < missing.length; at += BATCH) {
    for (const [number, value] of await evaluate(ask, missing.slice(at, at + BATCH), fromBase64url(key))) {
      kept.values[number] = base64urlnopad.encode(value)
    }
    await db.setFact(FACT, kept) // stored now, so that none is requested twice if the next request fails
  }
  return numbers.filter((number) => {
    const value = kept.values[number]
    return value !== undefined && there.has(base64urlnopad.encode(fromBase64url(value).subarray(0, size)))
  })
}

/** The value of the function for each number. Rejects as `ask` does, and with OtherKey. */
export async function evaluate(ask: Ask, numbers: string[], key: Bytes): Promise<Map<string, Bytes>> {
  const [voprf, { CryptoNoble }] = await Promise.all([
    import('@cloudflare/voprf-ts'),
    import('@cloudflare/voprf-ts/crypto-noble')
  ])
  const { DLEQProof, Evaluation, Oprf, VOPRFClient } = voprf
  const client = new VOPRFClient(Oprf.Suite.RISTRETTO255_SHA512, key, CryptoNoble)
  const inputs = numbers.map((number) => new TextEncoder().encode(number))
  const [secret, request] = await client.blind(inputs)
  const elements = request.blinded.map((element) => base64urlnopad.encode(element.serialize(true)))
  const answer = await ask('POST', '/api/contacts/evaluate', { elements })
  try {
    const proof = fromBase64url(textOf(answer, 'proof'))
    const { elements: evaluated } = answer as { elements: unknown }
    if (proof.length !== PROOF || !Array.isArray(evaluated)) throw new TypeError('no proof')
    const group = client.group
    const output = await client.finalize(
      secret,
      new Evaluation(
        Oprf.Mode.VOPRF,
        evaluated.map((element) => group.desElt(fromBase64url(String(element)))),
        DLEQProof.deserialize(group.id, proof, CryptoNoble)
      )
    )
    return new Map(numbers.map((number, place) => [number, new Uint8Array(output[place] ?? [])]))
  } catch {
    throw new OtherKey('the server did not prove that it used the key that it shows')
  }
}
