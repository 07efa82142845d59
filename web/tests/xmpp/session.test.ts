/** The counters of stream management (XEP-0198 §4, §5). */
import { expect, test } from 'vitest'
import { Lost } from '../../src/xmpp/errors'
import { Session } from '../../src/xmpp/session'

test('a stanza counts as handled once it and all before it are', () => {
  const session = new Session()
  const [first, second] = [session.received(), session.received()]
  second()
  expect([session.handled, session.idle]).toEqual([0, false])
  first()
  expect([session.handled, session.idle]).toEqual([2, true])
})

test('a stanza that is handled while the connection changes is counted once, when it comes again', () => {
  const session = new Session()
  session.received()()
  const slow = session.received()
  // The server is told of one, and will send the other again
  expect(session.resume()).toBe(1)
  slow()
  expect(session.handled).toBe(1)
  session.received()()
  expect(session.handled).toBe(2)
})

test('what the server has acknowledged is not sent again; the rest is, or is lost with the session', async () => {
  const session = new Session()
  const sent = ['<a/>', '<b/>', '<c/>'].map((xml) => session.send(xml))
  session.acknowledge(1)
  await sent[0]
  // A count of more than was sent, or none at all, says nothing
  for (const h of [5, 2 ** 32 - 1, NaN, 1.5]) session.acknowledge(h)
  expect(session.unacknowledged).toEqual(['<b/>', '<c/>'])
  session.end()
  await expect(Promise.any(sent.slice(1))).rejects.toMatchObject({ errors: [new Lost(), new Lost()] })
  expect(session.unacknowledged).toEqual([])
})
