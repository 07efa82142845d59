/* eslint-disable no-control-regex */
/** What is read is what a conforming processor reads: expat, with which the server reads what it hands on. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { NS } from '../../src/xmpp/ns'
import { attribute, child, children, parse, textOf, write, type Xml } from '../../src/xmpp/xml'

type Tree = [string, string, Record<string, string>, (string | Tree)[]]

const root = join(import.meta.dirname, '../../..')
const python = join(root, '.venv/bin/python')
const reference = spawn(existsSync(python) ? python : 'python3', [join(import.meta.dirname, 'expat.py')], {
  stdio: ['pipe', 'pipe', 'inherit']
})
const answers = createInterface({ input: reference.stdout })[Symbol.asyncIterator]()

afterAll(() => {
  reference.kill()
})

async function byExpat(documents: string[]): Promise<(Tree | null)[]> {
  reference.stdin.write(`${JSON.stringify(documents)}\n`)
  const { value } = (await answers.next()) as { value: string }
  return JSON.parse(value) as (Tree | null)[]
}

function byApp(document: string): Tree | null {
  try {
    return treeOf(parse(document))
  } catch {
    return null
  }
}

function treeOf({ name, namespace, attributes, children: inside }: Xml): Tree {
  const named = Object.assign(Object.create(null) as Record<string, string>, Object.fromEntries(attributes))
  return [name, namespace, named, inside.map((one) => (typeof one === 'string' ? one : treeOf(one)))]
}

/** Compared as text, in which `__proto__` is a name like any other. */
function shown(tree: Tree | null): string {
  const sorted = ([name, namespace, attributes, inside]: Tree): unknown => [
    name,
    namespace,
    Object.entries(attributes).sort(([one], [other]) => (one < other ? -1 : 1)),
    inside.map((one) => (typeof one === 'string' ? one : sorted(one)))
  ]
  return JSON.stringify(tree && sorted(tree))
}

/** Whether something but values of attributes and text is not of Latin-1. */
function hasFarNames(document: string): boolean {
  return /<[^>]*[^\u0000-\u00ff]/.test(document.replace(/'[^']*'|"[^"]*"/g, ''))
}

const MEMBERS = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf', 'prototype', 'length']
const names = fc.constantFrom('a', 'b', 'message', 'body', 'x-1', '_', 'é', 'xml', 'xmlns', ...MEMBERS)
const prefixes = fc.constantFrom('', '', '', 'p:', 'q:', 'xml:', 'xmlns:', 'constructor:', '__proto__:')
const spaces = fc.constantFrom(' ', '\n', '\t', '\r\n', '  ', '')
const pieces = fc.constantFrom(
  ...['text', ' ', '\n', '\r', '\r\n', '\t', ']]>', ']]', '>', '"', "'", '<', '&', '&amp;', '&lt;', '&#13;'],
  ...[
    '&#x1f600;',
    '&#0;',
    '&#65536;',
    '&#xd800;',
    '&nbsp;',
    '&constructor;',
    '&__proto__;',
    '\u0000',
    '\u0085'
  ],
  ...[
    '\ufffe',
    '\ufeff',
    '\u{1f600}',
    '<![CDATA[',
    ']]]>',
    ']]]]>',
    '<!--',
    '-->',
    '<?x ?>',
    '<!DOCTYPE a>',
    '/>'
  ],
  ...[
    '<a',
    '</a>',
    '<a:b:c/>',
    '<:a/>',
    '<a:/>',
    '=',
    "xmlns=''",
    "xmlns:p=''",
    "a='1'",
    "a='2'",
    '\u2028',
    '-'
  ],
  ...[
    "<body xmlns='jabber:client'>",
    '</body>',
    "<?xml version='1.0'?>",
    '\u007f',
    '\u200b',
    '\u202e',
    ':',
    '/'
  ]
)
const text = fc.array(pieces, { maxLength: 6 }).map((parts) => parts.join(''))
const sound = text.map((one) =>
  one
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/[\u0000\ufffe]/g, '')
)
const values = fc.oneof(
  { weight: 4, arbitrary: sound.map((one) => one.replace(/'/g, '&apos;')) },
  { weight: 2, arbitrary: fc.constantFrom('', 'jabber:client', 'urn:x', 'a b', 'urn:é', '{', '}') },
  { weight: 1, arbitrary: text },
  {
    weight: 1,
    arbitrary: fc.constantFrom('http://www.w3.org/XML/1998/namespace', 'http://www.w3.org/2000/xmlns/')
  }
)
const attributes = fc
  .array(
    fc.tuple(
      spaces.map((one) => one || ' '),
      fc.oneof(
        { weight: 3, arbitrary: fc.tuple(prefixes, names).map((both) => both.join('')) },
        {
          weight: 2,
          arbitrary: fc.constantFrom('xmlns', 'xmlns:p', 'xmlns:q', 'xmlns:__proto__', 'xmlns:constructor')
        }
      ),
      spaces,
      fc.constantFrom("'", '"'),
      values
    ),
    { maxLength: 4 }
  )
  .map((all) =>
    all
      .map(
        ([before, name, around, quote, value]) =>
          `${before}${name}${around}=${around}${quote}${value}${quote}`
      )
      .join('')
  )
const { element } = fc.letrec<{ element: string; content: string }>((tie) => ({
  content: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'deep' },
    { weight: 4, arbitrary: sound },
    { weight: 1, arbitrary: text },
    { weight: 2, arbitrary: text.map((one) => `<![CDATA[${one.replace(/]]>/g, ']]')}]]>`) },
    { weight: 5, arbitrary: tie('element') }
  ),
  element: fc
    .tuple(
      prefixes,
      names,
      attributes,
      spaces,
      fc.array(tie('content'), { maxLength: 3, depthIdentifier: 'deep' })
    )
    .map(([prefix, name, given, space, inside]) => {
      const tag = prefix + name
      return inside.length
        ? `<${tag}${given}${space}>${inside.join('')}</${tag}${space}>`
        : `<${tag}${given}${space}/>`
    })
}))

const folder = join(root, 'tests/fuzz/corpus/stanza')
const stream = (inside: string) =>
  `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>${inside}</stream:stream>`
const corpus = existsSync(folder)
  ? readdirSync(folder).map((name) => stream(readFileSync(join(folder, name), 'utf-8')))
  : []

/** Something is put in, something is left out. */
const spoiled = (documents: fc.Arbitrary<string>) =>
  fc
    .tuple(documents, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 3 }), pieces), { maxLength: 3 }))
    .map(([document, changes]) => {
      let result = document
      for (const [place, less, piece] of changes) {
        const at = place % (result.length + 1)
        result = result.slice(0, at) + piece + result.slice(at + less)
      }
      // No text that a WebSocket carries has half a character
      return result.toWellFormed()
    })

const documents = fc.oneof(
  { weight: 3, arbitrary: element },
  { weight: 1, arbitrary: spoiled(element) },
  ...(corpus.length ? [{ weight: 2, arbitrary: spoiled(fc.constantFrom(...corpus)) }] : [])
)

async function agree(all: string[]): Promise<void> {
  const expected = await byExpat(all)
  for (const [at, document] of all.entries()) {
    const tree = byApp(document)
    // Expat knows the names of the fourth edition of XML, and refuses what the fifth has added
    if (tree && !expected[at] && hasFarNames(document)) continue
    expect(`${document} → ${shown(tree)}`).toBe(`${document} → ${shown(expected[at] ?? null)}`)
  }
}

test('the app reads each file of the corpus as the server does', async () => {
  await agree(corpus)
})

test('the app reads whatever may come as a conforming processor does', async () => {
  let read = 0
  await fc.assert(
    fc.asyncProperty(fc.array(documents, { minLength: 1, maxLength: 40, size: 'max' }), async (all) => {
      await agree(all)
      read += all.filter((one) => byApp(one)).length
    }),
    { numRuns: Number(process.env['RUNS'] ?? 150), interruptAfterTimeLimit: 60_000 }
  )
  expect(read).toBeGreaterThan(200)
}, 120_000)

test('what is read and written again is the same', () => {
  fc.assert(
    fc.property(documents, (document) => {
      const tree = byApp(document)
      if (tree) expect(shown(byApp(write(parse(document))))).toBe(shown(tree))
    }),
    { numRuns: 2000, interruptAfterTimeLimit: 30_000 }
  )
}, 60_000)

test('names of what every object has are names like others', () => {
  const message = parse(
    `<message xmlns='jabber:client' constructor='1' __proto__='2'><body toString='3' __proto__='4'>5</body><constructor/></message>`
  )
  expect(attribute(message, 'constructor') + attribute(message, '__proto__')).toBe('12')
  const body = child(message, NS.client, 'body')
  expect([attribute(body, 'toString'), attribute(body, '__proto__'), textOf(body)]).toEqual(['3', '4', '5'])
  expect([attribute(body, 'valueOf'), attribute(message, 'toString')]).toEqual(['', ''])
  expect(children(message, NS.client, 'constructor')).toHaveLength(1)
})

test('nothing comes out of a section of text but text', () => {
  const message = parse(
    `<message xmlns='jabber:client'><body><![CDATA[]]]]><![CDATA[>]]><![CDATA[<event/>]]]></body></message>`
  )
  expect(message.children).toHaveLength(1)
  expect(textOf(child(message, NS.client, 'body'))).toBe(']]><event/>]')
})

test('an element without a namespace is not one of the stream’s', () => {
  const message = parse(
    `<message xmlns='jabber:client'><body xmlns=''>hidden</body><body>seen</body></message>`
  )
  expect(children(message, NS.client, 'body').map(textOf)).toEqual(['seen'])
  expect(children(message, '', 'body').map(textOf)).toEqual(['hidden'])
})

test('however deep, wide, or full of declarations a stanza is, it is read or refused at once', () => {
  const stanza = (inner: string) => `<message xmlns='jabber:client'>${inner}</message>`
  const nested = (depth: number) => stanza('<a>'.repeat(depth) + '</a>'.repeat(depth))
  expect(() => parse(nested(199))).not.toThrow()
  expect(() => write(parse(nested(199)))).not.toThrow()
  for (const depth of [200, 1000, 35_000]) expect(() => parse(nested(depth))).toThrow('too deep')
  const begun = performance.now()
  const declarations = Array.from({ length: 8000 }, (_, at) => ` xmlns:n${at}='x'`).join('')
  parse(stanza(`<a${declarations}>${"<b xmlns:c='y'/>".repeat(8000)}</a>`))
  parse(stanza(`<a${Array.from({ length: 20_000 }, (_, at) => ` a${at}='x'`).join('')}/>`))
  expect(performance.now() - begun).toBeLessThan(2000)
  const rebound = parse(stanza(`<x:a xmlns:x='one'><x:a xmlns:x='two'><x:a/></x:a><x:a/></x:a>`))
  const spaces: string[] = []
  const walk = (one: typeof rebound): void => {
    spaces.push(one.namespace)
    for (const inner of one.children) if (typeof inner !== 'string') walk(inner)
  }
  walk(rebound)
  expect(spaces).toEqual(['jabber:client', 'one', 'two', 'two', 'one'])
})
