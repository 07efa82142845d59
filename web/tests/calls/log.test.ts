/** Calls in the conversation: the same on all devices, in whatever order they learn of them. */
import { expect, test } from 'vitest'
import { ADA, archive, BEN, Reader, START } from '../sync/reader'

const call = (place: number, inner: string, from = BEN) => ({ place, id: `c${String(place)}`, inner, from })
const said = (type: string, id: string, more = '') =>
  `<${type} xmlns='urn:xmpp:jingle-message:0' id='${id}'>${more}</${type}>`
const media = (of: string) => `<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='${of}'/>`
const because = (reason: string) => `<reason xmlns='urn:xmpp:jingle:1'><${reason}/></reason>`
const proposed = (id: string, video = false) =>
  said('propose', id, media('audio') + (video ? media('video') : ''))

async function after(...all: ReturnType<typeof call>[]) {
  const reader = new Reader()
  for (const one of all) await reader.take(one)
  const found = {
    entries: (await reader.messages()).map(({ kind, mine, call: entry, order }) => ({
      kind,
      mine,
      entry,
      order
    })),
    unread: (await reader.db.chats.get(BEN))?.unread ?? 0,
    news: reader.news
  }
  await reader.db.delete()
  return found
}

test('a call that nobody answered is missed and unread', async () => {
  const { entries, unread } = await after(
    call(1000, proposed('m', true)),
    call(30_000, said('retract', 'm', because('cancel')))
  )
  expect(entries).toMatchObject([
    { kind: 'call', mine: false, entry: { id: 'm', video: true, outcome: 'missed' }, order: archive(1000) }
  ])
  expect(unread).toBe(1)
})

test('a proposal that is read late is missed, without anything else', async () => {
  expect(await after(call(1000, proposed('m')))).toMatchObject({
    entries: [{ entry: { outcome: 'missed' } }],
    unread: 1
  })
})

test('a call that was answered has a length, whichever device answered it, and is not unread', async () => {
  const { entries, unread } = await after(
    call(1000, proposed('m')),
    call(5000, said('proceed', 'm'), ADA),
    call(95_000, said('finish', 'm', because('success'))),
    call(96_000, said('finish', 'm', because('success')), ADA)
  )
  expect(entries).toMatchObject([{ entry: { outcome: 'answered', seconds: 90, answered: START + 5000 } }])
  expect(unread).toBe(0)
})

test.each([
  ['declined', because('decline')],
  ['busy', because('busy')]
])('a call of mine that was %s', async (outcome, reason) => {
  const { entries } = await after(call(1000, proposed('m'), ADA), call(2000, said('reject', 'm', reason)))
  expect(entries).toMatchObject([{ mine: true, entry: { outcome } }])
})

test('one that I have declined is neither missed nor unread', async () => {
  const found = await after(
    call(1000, proposed('m')),
    call(2000, said('reject', 'm', because('decline')), ADA)
  )
  expect(found).toMatchObject({ entries: [{ entry: { outcome: 'declined' } }], unread: 0 })
})

test('one that was answered and did not connect has failed', async () => {
  const { entries } = await after(
    call(1000, proposed('m')),
    call(2000, said('proceed', 'm'), ADA),
    call(30_000, said('finish', 'm', because('connectivity-error')))
  )
  expect(entries).toMatchObject([{ entry: { outcome: 'failed' } }])
})

test('of two that became one, one is left', async () => {
  const { entries } = await after(
    call(1000, proposed('b'), ADA),
    call(1001, proposed('a')),
    call(1002, said('retract', 'b', `${because('expired')}<tie-break/>`), ADA),
    call(1003, said('reject', 'b', `${because('expired')}<tie-break/>`)),
    call(1004, said('proceed', 'a'), ADA)
  )
  expect(entries).toMatchObject([{ entry: { id: 'a', outcome: 'answered' } }])
})

test('nobody says of a call what only the other side can say', async () => {
  const { entries } = await after(
    call(1000, proposed('m')),
    call(2000, said('proceed', 'm')), // the caller answers for me
    call(3000, said('reject', 'm', because('decline')))
  )
  expect(entries).toMatchObject([{ entry: { outcome: 'missed' } }])
})

test('the same messages again change nothing, and words about unknown calls leave nothing', async () => {
  const all = [call(1000, proposed('m')), call(5000, said('proceed', 'm'), ADA)]
  const { entries } = await after(...all, ...all, call(6000, said('finish', 'other', because('success'))))
  expect(entries).toMatchObject([{ entry: { outcome: 'answered' } }])
})
