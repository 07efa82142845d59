import fc from 'fast-check'
import { expect, test } from 'vitest'
import { randomBytes } from '@noble/ciphers/utils.js'
import { base64urlnopad } from '@scure/base'
import type { Ask } from '../../src/start/ask'
import { answerInvitation, Invitation, numberOf } from '../../src/start/invitation'
import { BadCode, codeText, parseCode, parseInvitation } from '../../src/start/link-code'
import { approve, awaitApproval, beginLink, enter, newTicket, Newcomer, seal } from '../../src/start/linking'

const ID = '0123456789abcdef0123456789abcdef'
const BASE = 'https://example.org'

test('a code is read as it was shown, whatever the device is called', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 60 }), async (name) => {
      const { code } = await Newcomer.create(BASE, ID, name)
      expect(parseCode(` ${codeText(code)}\n`)).toEqual(code)
    }),
    { numRuns: 30 }
  )
})

test('what is no code, is said to be none', async () => {
  const text = codeText((await Newcomer.create(BASE, ID, 'web')).code)
  const broken = [
    '',
    'x',
    BASE,
    text.replace('#1.', '#2.'),
    text.replace(ID, 'x'),
    text.replace('/link#', '/')
  ]
  broken.push(text.slice(0, text.indexOf('.web')), `${text}%ff`, text.replace(ID, ID.toUpperCase()))
  for (const other of broken) expect(() => parseCode(other), other).toThrow(BadCode)
  fc.assert(
    fc.property(fc.string(), (garbage) => {
      try {
        parseCode(`${BASE}/link#1.${garbage}`)
      } catch (error) {
        expect(error).toBeInstanceOf(BadCode)
      }
    })
  )
})

test('only the device that shows the code can open what was sealed for it, whole', async () => {
  const [newcomer, other] = [await Newcomer.create(BASE, ID, 'a'), await Newcomer.create(BASE, ID, 'a')]
  const letter = { address: 'anna@example.org', ticket: newTicket(), secrets: { omemo: { own: ['ä'] } } }
  const { sealed } = await seal(newcomer.code, letter)
  expect(await newcomer.open(sealed)).toEqual(letter)
  await expect(other.open(sealed)).rejects.toThrow(BadCode)
  for (const at of [0, 40, sealed.length - 1]) {
    const changed = sealed.slice()
    changed[at] = (changed[at] ?? 0) ^ 1
    await expect(newcomer.open(changed)).rejects.toThrow(BadCode)
  }
  await expect(newcomer.open(sealed.slice(0, 20))).rejects.toThrow(BadCode)
  // who knows the key but not the secret of the code, as the server might
  const guessed = await seal({ ...newcomer.code, secret: randomBytes(16) }, letter)
  await expect(newcomer.open(guessed.sealed)).rejects.toThrow(BadCode)
})

test('both sides meet by way of a server that keeps a box', async () => {
  const box = { sealed: '', hash: '', looks: 0, address: 'anna@example.org' }
  const requests: string[] = []
  const ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    requests.push(`${method} ${path}`)
    if (path === '/api/links') return { id: ID, expires_in: 300 }
    if (method === 'GET') return { sealed: box.looks++ < 2 ? '' : box.sealed }
    if (method === 'PUT') return void Object.assign(box, { ...(body as object) })
    return { ...(body as object), address: box.address }
  }
  const newcomer = await beginLink(ask, BASE, 'my browser')
  await approve(ask, parseCode(codeText(newcomer.code)), 'anna@example.org', { x: 1 })
  const letter = await awaitApproval(ask, newcomer)
  expect(letter).toMatchObject({ address: 'anna@example.org', secrets: { x: 1 } })
  expect(await enter(ask, newcomer, letter, { name: 'w' })).toEqual({
    ticket: base64urlnopad.encode(letter.ticket),
    device: { name: 'w' },
    address: 'anna@example.org'
  })
  box.address = 'eve@example.org'
  await expect(enter(ask, newcomer, letter, {})).rejects.toThrow(BadCode)
  expect(requests.filter((request) => request.startsWith('GET'))).toHaveLength(3)
  const aborted = AbortSignal.abort(new Error('closed'))
  await expect(awaitApproval(ask, newcomer, aborted)).rejects.toThrow('closed')
})

/** A server that keeps what is put into its one box. */
function box(): { ask: Ask; put: (sealed: string) => void; asked: string[] } {
  let sealed = ''
  const asked: string[] = []
  const ask: Ask = (method, path, content) => {
    asked.push(`${method} ${path.split('?')[0] ?? ''}`)
    if (method === 'POST') return Promise.resolve({ id: ID })
    if (method === 'PUT') sealed = (content as { sealed: string }).sealed
    return Promise.resolve({ sealed })
  }
  return { ask, asked, put: (other) => (sealed = other) }
}

test('a new device that has read an invitation is asked for by the same number on both, and by no other', async () => {
  const { ask, asked } = box()
  const invitation = await Invitation.begin(ask, BASE, 'desktop')
  const read = parseInvitation(invitation.text(), BASE)
  expect(() => parseInvitation(invitation.text(), 'https://other.example')).toThrow(BadCode)
  expect(read).toEqual(invitation.code)
  const newcomer = await Newcomer.create(BASE, ID, 'phone ä')
  await answerInvitation(ask, read, newcomer.code)
  const answered = await invitation.answer(ask)
  expect(answered).toEqual(newcomer.code)
  const number = await numberOf(read, newcomer.code)
  expect(number).toMatch(/^\d{10}$/)
  expect(await numberOf(invitation.code, answered)).toBe(number)
  const others = [
    await numberOf(read, (await Newcomer.create(BASE, ID, 'phone ä')).code),
    await numberOf({ ...read, secret: randomBytes(16) }, newcomer.code),
    await numberOf((await Invitation.begin(ask, BASE, 'desktop')).code, newcomer.code)
  ]
  expect(others).not.toContain(number)
  expect(asked.slice(0, 3)).toEqual([
    'POST /api/link-invitations',
    `PUT /api/links/${ID}/code`,
    `GET /api/links/${ID}`
  ])
})

test('only who has read the invitation is heard, and an invitation is no code of a new device', async () => {
  const { ask, put } = box()
  const invitation = await Invitation.begin(ask, BASE, 'desktop')
  const newcomer = await Newcomer.create(BASE, ID, 'phone')
  expect(() => parseCode(invitation.text())).toThrow(BadCode)
  expect(() => parseInvitation(codeText(newcomer.code), BASE)).toThrow(BadCode)
  await answerInvitation(ask, { ...invitation.code, secret: randomBytes(16) }, newcomer.code)
  await expect(invitation.answer(ask)).rejects.toThrow(BadCode)
  // What a letter is sealed with is not what an answer is sealed with
  const { sealed } = await seal(invitation.code, { address: 'a@b', ticket: newTicket(), secrets: {} })
  put(base64urlnopad.encode(sealed))
  await expect(invitation.answer(ask)).rejects.toThrow(BadCode)
})
