// Runs the scenarios of the Node client. Arguments: name server, broker, patterns of names.
'use strict';

const assert = require('assert');
const { Consumer, Producer, Message } = require('ali-ons');
const RemotingCommand = require('ali-ons/lib/protocol/command/remoting_command');

const [ nameSrv, broker, ...patterns ] = process.argv.slice(2);
const quiet = { info() {}, debug() {}, log() {}, warn: console.error, error: console.error };
let serial = 0;

function unique(kind) {
  return `${kind}_node_${process.pid}_${++serial}`;
}

async function settles(limitMs, what) {
  const end = Date.now() + limitMs;
  for (;;) {
    try {
      return await what();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await new Promise(done => setTimeout(done, 50));
  }
}

// What one scenario works with; its clients are closed when it ends.
class Bed {
  constructor() {
    this.open = [];
  }

  options(more) {
    // It wants an HTTP client, which it uses only where it has no address of a name server. It sends again after its own 3 s, which a
    // busy machine may stand still: the message would be there twice.
    return Object.assign({ nameSrv, httpclient: {}, accessKeyId: 'none', accessKeySecret: 'none', logger: quiet, instanceName: unique('I'),
      pollNameServerInteval: 1000, heartbeatBrokerInterval: 1000, rebalanceInterval: 1000, persistConsumerOffsetInterval: 500,
      sendMsgTimeout: 15000 }, more);
  }

  // This client makes no topics, neither by sending nor otherwise.
  async topic(name = unique('T')) {
    const maker = await this.producer();
    const request = RemotingCommand.createRequestCommand(17, { topic: name, defaultTopic: 'TBW102', readQueueNums: 2, writeQueueNums: 2,
      perm: 6, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false });
    const answer = await maker._mqClient.invoke(broker, request, 15000);
    assert.strictEqual(answer.code, 0, answer.remark);
    return name;
  }

  async producer(more) {
    const producer = new Producer(this.options(Object.assign({ producerGroup: unique('P') }, more)));
    this.open.push(producer);
    await producer.ready();
    return producer;
  }

  async consumer(group, topic, expression, handler, more) {
    const consumer = new Consumer(this.options(Object.assign({ consumerGroup: group, consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET' },
      more)));
    this.open.push(consumer);
    consumer.on('error', error => console.error(error));
    await consumer.ready();
    consumer.subscribe(topic, expression, handler);
    return consumer;
  }

  async close(client) {
    this.open = this.open.filter(other => other !== client);
    await client.close();
  }

  async closeAll() {
    for (const client of this.open.reverse()) {
      try {
        await client.close();
      } catch (error) {
        console.error(error);
      }
    }
  }
}

async function sendAll(producer, topic, tag, prefix, count) {
  const sent = [];
  for (let i = 0; i < count; i++) {
    const body = `${prefix}-${i}`;
    const result = await producer.send(new Message(topic, tag, body));
    assert.strictEqual(result.sendStatus, 'SEND_OK');
    sent.push(body);
  }
  return sent;
}

function inbox() {
  const got = [];
  return { got, take: async message => { got.push(message.body.toString()); } };
}

function expectOnce(got, sent) {
  return settles(100000, () => assert.deepStrictEqual([ ...got ].sort(), [ ...sent ].sort()));
}

const scenarios = {
  async send(bed) {
    const topic = await bed.topic();
    const producer = await bed.producer();
    const result = await producer.send(new Message(topic, 'tag', 'first'));
    assert.strictEqual(result.sendStatus, 'SEND_OK');
    assert.ok(result.msgId, 'an id');
    const box = inbox();
    await bed.consumer(unique('G'), topic, '*', box.take);
    await expectOnce(box.got, [ 'first' ]);
  },

  async push_with_tags(bed) {
    const topic = await bed.topic();
    const producer = await bed.producer();
    const wanted = await sendAll(producer, topic, 'a', 'a', 5);
    await sendAll(producer, topic, 'c', 'c', 5);
    wanted.push(...await sendAll(producer, topic, 'b', 'b', 5));
    const box = inbox();
    await bed.consumer(unique('G'), topic, 'a || b', box.take);
    await expectOnce(box.got, wanted);
  },

  async push_with_sql_filter(bed) {
    const topic = await bed.topic();
    const producer = await bed.producer();
    const wanted = [];
    for (let i = 0; i < 10; i++) {
      const message = new Message(topic, 't', `sql-${i}`);
      message.properties.amount = String(i);
      await producer.send(message);
      if (i > 6) wanted.push(`sql-${i}`);
    }
    const box = inbox();
    await bed.consumer(unique('G'), topic, { expressionType: 'SQL92', subString: 'amount > 6' }, box.take);
    await expectOnce(box.got, wanted);
  },

  async push_with_retry(bed) {
    const topic = await bed.topic();
    const producer = await bed.producer();
    const times = [];
    await bed.consumer(unique('G'), topic, '*', async message => {
      times.push(message.reconsumeTimes);
      if (times.length < 2) throw new Error('not yet');
    });
    await sendAll(producer, topic, 't', 'retry', 1);
    await settles(100000, () => assert.deepStrictEqual(times, [ 0, 1 ]));
  },

  async compressed_body(bed) {
    const topic = await bed.topic();
    const producer = await bed.producer();
    const body = 'all work and no play; '.repeat(2000);
    await producer.send(new Message(topic, 't', body));
    const box = inbox();
    await bed.consumer(unique('G'), topic, '*', box.take);
    await settles(100000, () => assert.strictEqual(box.got.length, 1));
    assert.ok(box.got[0] === body, 'the body as it was sent');
  },

  async broadcast(bed) {
    const topic = await bed.topic();
    const group = unique('G');
    const producer = await bed.producer();
    await sendAll(producer, topic, 'other', 'before', 1);
    const members = [ inbox(), inbox() ];
    for (const member of members) await bed.consumer(group, topic, 't', member.take, { isBroadcast: true });
    const sent = await sendAll(producer, topic, 't', 'all', 10);
    for (const member of members) await expectOnce(member.got, sent);
  },

  async offsets_are_kept(bed) {
    const topic = await bed.topic();
    const group = unique('G');
    const producer = await bed.producer();
    const first = inbox();
    const consumer = await bed.consumer(group, topic, '*', first.take);
    await expectOnce(first.got, await sendAll(producer, topic, 't', 'before', 10));
    await new Promise(done => setTimeout(done, 1500));
    await bed.close(consumer);
    const later = await sendAll(producer, topic, 't', 'after', 10);
    const second = inbox();
    await bed.consumer(group, topic, '*', second.take);
    await expectOnce(second.got, later);
  },

  async namespace(bed) {
    const namespace = unique('INST');
    const topic = unique('T');
    await bed.topic(`${namespace}%${topic}`);
    const producer = await bed.producer({ namespace });
    const sent = await sendAll(producer, topic, 't', 'inside', 5);
    const box = inbox();
    await bed.consumer(unique('G'), topic, '*', box.take, { namespace });
    await expectOnce(box.got, sent);
  },
};

async function main() {
  let passed = 0;
  let failed = 0;
  for (const [ name, run ] of Object.entries(scenarios)) {
    if (patterns.length > 0 && !patterns.some(pattern => name.includes(pattern))) continue;
    const begin = Date.now();
    const bed = new Bed();
    let problem = null;
    let timer;
    try {
      await Promise.race([ run(bed), new Promise((_, fail) => {
        timer = setTimeout(() => fail(new Error('not done within 300 s')), 300000);
      }) ]);
    } catch (error) {
      problem = error;
    }
    clearTimeout(timer);
    await bed.closeAll();
    const seconds = ((Date.now() - begin) / 1000).toFixed(1);
    if (problem === null) {
      passed++;
      console.log(`PASS node/${name} ${seconds}`);
    } else {
      failed++;
      console.log(`FAIL node/${name} ${seconds} ${String(problem).replace(/\s+/g, ' ').slice(0, 300)}`);
      console.error(problem);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}

process.on('unhandledRejection', error => console.error('unhandled', error));
main();
