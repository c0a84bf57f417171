import { describe, expect, it } from 'vitest'
import { parseQueueUrl } from '../../src/queue/queue-url.js'

describe('the address of a broker', () => {
  it('names its host with the usual port, and credentials of the environment first', () => {
    const environment = { FOREBAY_QUEUE_PASSWORD: 'secret' }
    expect(parseQueueUrl('amqp://anna:p%40ss@rabbit/sales', environment)).toMatchObject({
      kind: 'rabbitmq',
      hosts: ['rabbit:5672'],
      vhost: 'sales',
      user: 'anna',
      password: 'secret',
      tls: undefined,
      replicated: false,
    })
    expect(parseQueueUrl('amqp://anna:p%40ss@rabbit/sales', {}).password).toBe('p@ss')
    expect(parseQueueUrl('amqp://anna:p%40ss@rabbit/sales', {}).shown).toBe('amqp://rabbit:5672/sales')
  })

  it('knows several hosts of Kafka and how it checks the password', () => {
    expect(parseQueueUrl('kafkas://one,two:9999?sasl=scram-sha-256&prefix=team.a', {})).toMatchObject({
      hosts: ['one:9093', 'two:9999'],
      sasl: 'scram-sha-256',
      prefix: 'team.a',
      tls: {},
    })
  })

  it('lets RabbitMQ replicate what queries wait for', () => {
    expect(parseQueueUrl('amqp://rabbit?replicated=true', {}).replicated).toBe(true)
  })

  it.each([
    ['http://rabbit', 'must be "embedded", or look like'],
    ['amqp://one,two', 'given one host'],
    ['amqp://rabbit?colour=red', 'no option "colour"'],
    ['amqp://rabbit?prefix=a%20b', 'prefix'],
    ['kafka://one?sasl=guess', 'one of plain'],
    ['amqp://rabbit?replicated=yes', 'must be true or false'],
    ['kafka://one?replicated=true', 'option of RabbitMQ'],
    ['amqps://anna:secret@rabbit?ca=/nowhere.pem', 'ca cannot be read'],
  ])('refuses %s, and shows no password', (url, why) => {
    const refused = (): unknown => parseQueueUrl(url, {})
    expect(refused).toThrow(why)
    expect(refused).not.toThrow('secret')
  })
})
