/** Which candidates of others are tried. */
import { expect, test } from 'vitest'
import { candidateFrom, candidateLine, mayTry } from '../../src/calls/candidates'

const LINE = (ip: string, more = ''): string => `candidate:1 1 udp 2122260223 ${ip} 54321 typ host${more}`

test('a browser’s candidate is the same after it was parsed', () => {
  const lines = [
    LINE('192.0.2.7'),
    LINE('2001:db8::7'),
    LINE('0b1c2d3e-1111-2222-3333-444455556666.local'),
    'candidate:5 1 udp 41885439 198.51.100.9 60001 typ relay raddr 192.0.2.7 rport 54321',
    'candidate:9 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active'
  ]
  for (const line of lines) {
    const parsed = candidateFrom(`${line} generation 0 ufrag abcd network-id 1`)
    expect(parsed && candidateLine(parsed)).toBe(line)
  }
})

test.each([
  '',
  'candidate:',
  LINE('example.org'),
  LINE('1.2.3.4.5'),
  LINE('999.1.1.1'),
  LINE('1.2.3.4').replace('udp', 'sctp')
])('what is no candidate is none: %s', (line) => {
  expect(candidateFrom(line)).toBeUndefined()
})

const tried = (ip: string, local = false): boolean => {
  const candidate = candidateFrom(LINE(ip))
  return candidate !== undefined && mayTry(candidate, local)
}

test('addresses of others and of private networks are tried', () => {
  for (const ip of [
    '192.0.2.1',
    '10.0.0.1',
    '192.168.1.7',
    '172.16.0.1',
    '2001:db8::1',
    'fd00::1',
    '100.64.0.1'
  ])
    expect(tried(ip), ip).toBe(true)
})

test.each([
  ...['127.0.0.1', '127.8.8.8', '0.0.0.0', '169.254.169.254', '224.0.0.1', '255.255.255.255', '240.0.0.1'],
  ...['::1', '::', '0:0:0:0:0:0:0:1', 'fe80::1', 'ff02::1', '::ffff:127.0.0.1', '::ffff:169.254.169.254'],
  ...['::127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::', '0:0:0:0:0:ffff:127.0.0.1', '::ffff:7f00:1']
])('%s is not tried, since only this device or its network reach it', (ip) => {
  expect(tried(ip)).toBe(false)
})

test('the own machine is tried only if the page is from there', () => {
  expect(tried('127.0.0.1', true)).toBe(true)
  expect(tried('::1', true)).toBe(true)
  expect(tried('169.254.169.254', true)).toBe(false)
})

test('nothing is sent to port 0', () => {
  const candidate = candidateFrom(LINE('192.0.2.1').replace('54321', '0'))
  expect(candidate && mayTry(candidate, false)).toBe(false)
})
