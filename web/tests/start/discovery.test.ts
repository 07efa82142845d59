import 'fake-indexeddb/auto'
import { EvaluationRequest, Oprf, VOPRFClient, VOPRFServer, generateKeyPair } from '@cloudflare/voprf-ts'
import { CryptoNoble } from '@cloudflare/voprf-ts/crypto-noble'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { base64urlnopad } from '@scure/base'
import { type Bytes, fromBase64url } from '../../src/local/bytes'
import { Database } from '../../src/local/database'
import { discover, OtherKey } from '../../src/start/discovery'

vi.setConfig({ testTimeout: 60_000 })

const SUITE = Oprf.Suite.RISTRETTO255_SHA512
const SIZE = 10

/** As the server does it, with the same function (see tests/web for the real one). */
class Server {
  readonly requests: number[] = []
  lie = false
  constructor(
    private readonly keys: { privateKey: Uint8Array; publicKey: Uint8Array },
    private readonly other: { privateKey: Uint8Array },
    private readonly members: string[]
  ) {}

  readonly ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const server = new VOPRFServer(
      SUITE,
      this.lie ? this.other.privateKey : this.keys.privateKey,
      CryptoNoble
    )
    if (method === 'GET') {
      expect(path).toBe('/api/contacts/members')
      const tags: Bytes[] = []
      const honest = new VOPRFServer(SUITE, this.keys.privateKey, CryptoNoble)
      for (const number of this.members) {
        tags.push(new Uint8Array(await honest.evaluate(new TextEncoder().encode(number))).slice(0, SIZE))
      }
      return {
        version: '1',
        tag_bytes: SIZE,
        public_key: base64urlnopad.encode(this.keys.publicKey),
        tags: base64urlnopad.encode(Uint8Array.from(tags.flatMap((tag) => [...tag])))
      }
    }
    const client = new VOPRFClient(SUITE, this.keys.publicKey, CryptoNoble)
    const { elements } = body as { elements: string[] }
    this.requests.push(elements.length)
    const blinded = elements.map((element) => client.group.desElt(fromBase64url(element)))
    const output = await server.blindEvaluate(new EvaluationRequest(blinded))
    return {
      proof: base64urlnopad.encode(output.proof?.serialize() ?? new Uint8Array()),
      elements: output.evaluated.map((element) => base64urlnopad.encode(element.serialize(true)))
    }
  }
}

let db: Database
let server: Server
beforeEach(async () => {
  db = new Database(`discovery ${Math.random()}`)
  const [keys, other] = [await generateKeyPair(SUITE, CryptoNoble), await generateKeyPair(SUITE, CryptoNoble)]
  server = new Server(keys, other, ['+491701', '+491703'])
})
afterEach(() => db.delete())

test('those that are there are found, and no number is asked for twice', async () => {
  expect(await discover(db, server.ask, ['+491700', '+491701', '+491702', '+491703', '+491703'])).toEqual([
    '+491701',
    '+491703',
    '+491703'
  ])
  expect(await discover(db, server.ask, ['+491703', '+491705'])).toEqual(['+491703'])
  expect(server.requests).toEqual([4, 1])
})

test('a server that uses another key than it shows is not believed', async () => {
  server.lie = true
  await expect(discover(db, server.ask, ['+491701'])).rejects.toThrow(OtherKey)
  server.lie = false
  expect(await discover(db, server.ask, ['+491701'])).toEqual(['+491701'])
})

test('after the server has a new key, all numbers are looked up again, and found', async () => {
  expect(await discover(db, server.ask, ['+491700', '+491701'])).toEqual(['+491701'])
  const keys = await generateKeyPair(SUITE, CryptoNoble)
  const renewed = new Server(keys, keys, ['+491701'])
  expect(await discover(db, renewed.ask, ['+491700', '+491701'])).toEqual(['+491701'])
  expect(renewed.requests).toEqual([2])
})

test('an answer that is none, is not believed', async () => {
  const members = await server.ask('GET', '/api/contacts/members')
  for (const answer of [
    {},
    { proof: 'AAAA', elements: [] },
    { proof: 'A'.repeat(86), elements: ['A'.repeat(43)] },
    null
  ]) {
    const ask = async (method: string): Promise<unknown> => (method === 'GET' ? members : answer)
    await expect(discover(db, ask, ['+491701'])).rejects.toThrow(OtherKey)
  }
})
