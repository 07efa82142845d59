import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse, plainText, type Block, type Inline } from '../../src/parts/styling'

/** A tree in a short notation: strong {…}, emphasis /…/, strike -…-, code [...]. */
const spans = (content: Inline[]): string =>
  content
    .map((one) => {
      if (one.kind === 'text') return one.text
      if (one.kind === 'code') return `[${one.text}]`
      const inner = 'children' in one ? spans(one.children) : ''
      return one.kind === 'strong' ? `{${inner}}` : one.kind === 'emphasis' ? `/${inner}/` : `-${inner}-`
    })
    .join('')
const block = (one: Block): string => {
  if (one.kind === 'lines') return spans(one.content)
  if (one.kind === 'code') return `CODE(${one.text})`
  if (one.kind === 'quote') return `QUOTE(${one.blocks.map(block).join('|')})`
  return `LIST(${one.items.map(({ number, content }) => `${String(number)}:${spans(content)}`).join('|')})`
}
const read = (text: string): string => parse(text).map(block).join('|')

describe('spans are found as XEP-0393 has them', () => {
  test.each([
    // the examples of the standard
    ['plain span', 'plain span'],
    ['*strong span*', '{strong span}'],
    ['plain _emphasis_ plain', 'plain /emphasis/ plain'],
    ['`pre` plain *strong*', '[pre] plain {strong}'],
    ['*strong*plain*', '{strong}plain*'],
    ['not strong*', 'not strong*'],
    ['*not strong', '*not strong'],
    ['*not \n strong*', '*not \n strong*'],
    ['*not *strong', '*not *strong'],
    ['**', '**'],
    ['***', '***'],
    ['****', '****'],
    ['Two spans, both *alike in dignity*', 'Two spans, both {alike in dignity}'],
    ['Everyone ~dis~likes cake.', 'Everyone -dis-likes cake.'],
    ['This is `*monospace*`', 'This is [*monospace*]'],
    ['This is *`monospace and bold`*', 'This is {[monospace and bold]}'],
    // and what follows from its rules
    ['snake_case_name', 'snake_case_name'],
    ['2*3*4', '2*3*4'],
    ['* no*', 'LIST(0:no*)'],
    ['a *b * c*', 'a {b * c}'],
    ['**a*', '**a*'],
    ['*_both_*', '{/both/}'],
    ['*_a*_', '{_a}_'],
    ['~*_all `of it`_*~', '-{/all [of it]/}-'],
    ['*a `b* c`', '{a `b} c`'],
    ['*\u00a0a*', '*\u00a0a*'],
    ['\u3000*a*', '\u3000{a}'],
    ['(*a*)', '(*a*)'],
    ['> _ <', 'QUOTE(_ <)']
  ])('%j', (text, tree) => {
    expect(read(text)).toBe(tree)
  })
})

describe('blocks are found as XEP-0393 has them', () => {
  test.each([
    ['```ignored\n(println "Hello")\n```\nplain *b*', 'CODE((println "Hello"))|plain {b}'],
    ['> ```\n> (println "Hello")\nplaintext!', 'QUOTE(CODE((println "Hello")))|plaintext!'],
    ['> That that is, is.\nSaid the old hermit.', 'QUOTE(That that is, is.)|Said the old hermit.'],
    ['>> That that is.\n> Said he.\nWho?', 'QUOTE(QUOTE(That that is.)|Said he.)|Who?'],
    ['```\n*a*\n> b', 'CODE(*a*\n> b)'],
    ['```\na\n``` \nb\n```', 'CODE(a\n``` \nb)'],
    ['>   a', 'QUOTE(  a)'],
    ['a > b', 'a > b'],
    ['a\n\nb', 'a\n\nb']
  ])('%j', (text, tree) => {
    expect(read(text)).toBe(tree)
  })

  test('code on one line, as WhatsApp has it, hides none of it', () => {
    expect(read('```let a = 1```\nb')).toBe('CODE(let a = 1)|b')
    expect(read('```only this')).toBe('CODE(only this)')
  })

  test('lists keep the numbers that were written', () => {
    expect(read('- a\n- *b*\n3. c\n10. d\ntext')).toBe('LIST(0:a|0:{b})|LIST(3:c|10:d)|text')
    expect(read('* plain *strong*')).toBe('LIST(0:plain {strong})')
    expect(read('-a\n1.b\n- \n1. \n12345. x')).toBe('-a\n1.b\n- \n1. \n12345. x')
  })
})

test('a preview shows what was said without the marks', () => {
  expect(plainText('*Now* ~or~ `never`\n> said _she_\n- one\n2. two\n```\ncode\n```')).toBe(
    'Now or never\nsaid she\n• one\n2. two\ncode'
  )
  expect(plainText('2*3*4 _')).toBe('2*3*4 _')
})

describe('whatever somebody writes', () => {
  const part = fc.constantFrom('*', '_', '~', '`', '```', '>', '> ', '- ', '1. ', '\n', ' ', 'a', '<b>', '👍🏽')

  test('no letter of it is lost or made up', () => {
    const letters = (text: string): string => text.replace(/[\s*_~`>•-]|\d+\./g, '')
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const text = parts.join('')
        // the rest of a line that opens code is ignored, by the standard
        const shown = text.replace(/^(?:[> ]*)```.*$/gm, '```')
        fc.pre(shown === text)
        expect(letters(plainText(text))).toBe(letters(text))
      })
    )
  })

  test('it is read in little time', () => {
    const start = performance.now()
    for (const piece of ['*a ', '*', '_*~', '> ', '>', '`', ' *a', '*_~a ', '- *', '```\n', '1. _a\n'])
      parse(piece.repeat(Math.ceil(250_000 / piece.length)))
    expect(performance.now() - start).toBeLessThan(3000)
  })
})
