/** A message in an encryption that this app doesn't have says so, and nothing that its sender could make of it. */
import { describe, expect, test } from 'vitest'
import { NS } from '../../src/xmpp/ns'
import { read } from '../../src/xmpp/received'
import { parse } from '../../src/xmpp/xml'

const ADA = 'ada@example.org'
const eme = (namespace: string, name = '') =>
  `<encryption xmlns='${NS.encryption}' namespace='${namespace}'${name && ` name='${name}'`}/>`
const body = '<body>This message is encrypted.</body>'
const omemo = (namespace: string, payload = '<payload>AAAA</payload>') =>
  `<encrypted xmlns='${namespace}'><header sid='1'><keys jid='${ADA}'><key rid='2'>AAAA</key></keys></header>${payload}</encrypted>`
const pgp = "<x xmlns='jabber:x:encrypted'>hQEMA</x>"

function came(content: string) {
  const stanza = `<message xmlns='jabber:client' from='ben@example.org/x' to='${ADA}' type='chat' id='1'>${content}</message>`
  return read(parse(stanza), ADA, '', 0)
}

describe.each([
  ['omemo:2', omemo('urn:xmpp:omemo:2'), 'OMEMO 2'],
  ['omemo:1', omemo('urn:xmpp:omemo:1'), 'OMEMO 1'],
  ['legacy OpenPGP', pgp, 'PGP'],
  ['OpenPGP', "<openpgp xmlns='urn:xmpp:openpgp:0'>AAAA</openpgp>", 'OpenPGP'],
  ['OMEMO that makes no sense', omemo(NS.omemo, '<payload>!</payload>'), 'OMEMO'],
  ['a method that is only announced', eme('urn:example:secret', 'Secret 1.0'), 'Secret 1.0'],
  ['a method without a name', eme('urn:example:secret'), ''],
  ['a method that is known by its namespace', eme('urn:xmpp:otr:0', 'Harmless'), 'OTR']
])('%s', (_, content, method) => {
  test.each([
    ['with a body', body],
    ['without', '']
  ])('%s', (_, text) => {
    const found = came(content + text)
    expect(found?.method).toBe(method)
    // What stands for it is no text of theirs
    expect(found?.text).toBeUndefined()
  })
})

test('what comes with a chat state is still content', () => {
  const active = `<active xmlns='${NS.states}'/>`
  expect(came(`${active}${omemo('urn:xmpp:omemo:0')}`)?.method).toBe('OMEMO 0')
  expect(came(`${active}${eme('urn:x', 'X')}<secret xmlns='urn:x'>AAAA</secret>`)?.method).toBe('X')
  expect(came(`${active}${pgp}${eme('jabber:x:encrypted')}`)?.method).toBe('PGP')
})

test('a message in several encryptions is read in the one that this app has', () => {
  const own = `<encrypted xmlns='${NS.omemo}'><header sid='1'><key rid='2'>AAAA</key><iv>AAAA</iv></header><payload>AAAA</payload></encrypted>`
  const found = came(omemo('urn:xmpp:omemo:2') + own + pgp + eme('urn:xmpp:omemo:2') + body)
  expect(found?.method).toBeUndefined()
  expect(found?.envelope?.sender).toBe(1)
})

test('a text is a text', () => {
  expect(came('<body>?OTR is a protocol</body>')).toMatchObject({
    method: undefined,
    text: '?OTR is a protocol'
  })
  expect(came('<body>?OTR:AAMDJ+MVmSfjFZcAAAAAAQAAAAEAAADAVf3K</body>')?.method).toBe('OTR')
  expect(came("<body>hello</body><x xmlns='jabber:x:signed'>AAAA</x>")?.text).toBe('hello')
})

test.each([
  ['keys without a message', omemo('urn:xmpp:omemo:2', '')],
  ['keys without a message, announced', omemo('urn:xmpp:omemo:2', '') + eme('urn:xmpp:omemo:2', 'OMEMO')],
  ['a receipt', eme('urn:x') + `<received xmlns='${NS.receipts}' id='1'/>`],
  ['a marker', eme('urn:x') + `<displayed xmlns='${NS.markers}' id='1'/>`],
  ['that somebody types', eme('urn:x') + `<composing xmlns='${NS.states}'/>`],
  [
    'that somebody looks at the chat',
    eme('urn:x') +
      `<active xmlns='${NS.states}'/><store xmlns='${NS.hints}'/><origin-id xmlns='${NS.sid}' id='1'/>`
  ],
  [
    'a retraction, and its text for other apps',
    eme('urn:x') + `<retract xmlns='${NS.retract}' id='1'/><body>They tried to retract a message.</body>`
  ],
  ['what is not to be stored', eme('urn:x') + `<no-store xmlns='${NS.hints}'/>`]
])('nothing is shown of %s', (_, content) => {
  expect(came(content)).toMatchObject({ method: undefined, text: undefined })
})

test.each([
  'not encrypted: call +49 170 1234567',
  'a'.repeat(33),
  'line\nline',
  '\u202eterces',
  '⚠️ virus',
  ' ',
  '<b>'
])('a name is none that could pass for words of the app: %s', (name) => {
  const method = came(eme('urn:x', name.replace('<', '&lt;').replace('\n', '&#10;')) + body)?.method ?? '?'
  expect(method === '' || /^[\p{L}\p{N}][\p{L}\p{N} .+/_-]*$/u.test(method)).toBe(true)
  expect(method.length).toBeLessThanOrEqual(32)
  expect(method).not.toContain(':')
})
