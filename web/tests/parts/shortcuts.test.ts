import { describe, expect, test } from 'vitest'
import { newChat } from '../../src/local/chat'
import type { Chat } from '../../src/local/types'
import { inOrder, neighbour, nextUnread } from '../../src/parts/chat-order'
import { keysOf, matches, SHORTCUTS, type Shortcut } from '../../src/parts/shortcuts'

const all = SHORTCUTS.flatMap(({ shortcuts }) => shortcuts)
const pressed = (key: string, held = '', code = '') => ({
  key,
  code,
  altKey: held.includes('a'),
  ctrlKey: held.includes('c'),
  metaKey: held.includes('m'),
  shiftKey: held.includes('s')
})
const asked = (event: ReturnType<typeof pressed>, mac = false): Shortcut[] =>
  all.filter((shortcut) => matches(event, shortcut, mac))

describe('shortcuts', () => {
  test('are each its own, and none asks for AltGr', () => {
    expect(new Set(all.map((one) => keysOf(one, false))).size).toBe(all.length)
    expect(new Set(all.map((one) => keysOf(one, true))).size).toBe(all.length)
    for (const key of ['e', 'm', 'n', '@', '€', 'µ']) expect(asked(pressed(key, 'ac'))).toEqual([])
    expect(asked(pressed('n'))).toEqual([])
    expect(asked(pressed('N', 's'))).toEqual([])
  })

  test('are not those of browsers', () => {
    const taken = ['Ctrl+N', 'Ctrl+T', 'Ctrl+W', 'Ctrl+F', 'Ctrl+K', 'Ctrl+L', 'Ctrl+E', 'Ctrl+P', 'Ctrl+S']
    const chromes = ['Alt+Shift+T', 'Alt+Shift+A', 'Alt+Shift+I', 'Alt+Shift+B', 'Alt+F', 'Alt+E', 'Alt+D']
    const shown = all.map((one) => keysOf(one, false))
    for (const one of [...taken, ...chromes]) expect(shown).not.toContain(one)
  })

  test('are found on keyboards of other kinds', () => {
    expect(asked(pressed('N', 'as'))).toEqual(['new'])
    expect(asked(pressed('Т', 'as', 'KeyN'))).toEqual(['new'])
    expect(asked(pressed('/', 'cs', 'Digit7'))).toEqual(['help'])
    expect(asked(pressed('n', 'cs'), true)).toEqual(['new'])
    expect(asked(pressed('b', 'm'), true)).toEqual(['bold'])
    expect(asked(pressed('ArrowDown', 'a'))).toEqual(['next'])
    expect(asked(pressed('ArrowDown', 'as'))).toEqual(['next-unread'])
  })
})

describe('chats one after the other', () => {
  const chat = (address: string, at: number, more: Partial<Chat> = {}): Chat => ({
    ...newChat(address),
    at,
    last: 'm',
    ...more
  })
  const chats = [
    chat('a', 1),
    chat('b', 2, { unread: 1 }),
    chat('c', 3, { favourite: true }),
    chat('d', 0, { pinned: 5, unread: 2 }),
    chat('e', 9, { archived: true }),
    chat('f', 8, { last: '' }),
    chat('g', 0, { last: '', listed: true })
  ]
  const names = (some: Chat[]): string => some.map((one) => one.address).join('')

  test('stand as the list has them', () => {
    expect(names(inOrder(chats, false))).toBe('dcbag')
    expect(names(inOrder(chats, true))).toBe('e')
    expect(names(inOrder(chats, false, 'unread'))).toBe('db')
    expect(names(inOrder(chats, false, 'favourites'))).toBe('c')
  })

  test('are gone through up and down, and by what is unread', () => {
    const list = inOrder(chats, false)
    expect(neighbour(list, 'c', 1)?.address).toBe('b')
    expect(neighbour(list, 'c', -1)?.address).toBe('d')
    expect(neighbour(list, '', 1)?.address).toBe('d')
    expect(neighbour(list, 'g', 1)).toBeUndefined()
    expect(nextUnread(list, 'd', 1)?.address).toBe('b')
    expect(nextUnread(list, 'b', 1)?.address).toBe('d')
    expect(nextUnread(list, '', 1)?.address).toBe('d')
    expect(nextUnread([], '', -1)).toBeUndefined()
  })
})
