package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

func send(b *bed) error {
	topic, p, err := b.topicAndProducer(4)
	if err != nil {
		return err
	}
	result, err := p.SendSync(context.Background(), message(topic, "t", "sync"))
	if err != nil {
		return err
	}
	if result.Status != primitive.SendOK || result.QueueOffset != 0 || result.MsgID == "" || result.OffsetMsgID == "" {
		return fmt.Errorf("sync send: %v", result)
	}
	var wait sync.WaitGroup
	wait.Add(1)
	var asyncErr error
	if err := p.SendAsync(context.Background(), func(_ context.Context, _ *primitive.SendResult, err error) {
		asyncErr = err
		wait.Done()
	}, message(topic, "t", "async")); err != nil {
		return err
	}
	wait.Wait()
	if asyncErr != nil {
		return asyncErr
	}
	if err := p.SendOneWay(context.Background(), message(topic, "t", "oneway")); err != nil {
		return err
	}
	if _, err := p.SendSync(context.Background(), message(topic, "t", "batch-1"), message(topic, "t", "batch-2")); err != nil {
		return err
	}
	in := &inbox{}
	if _, err := b.push(b.unique("G"), topic, "*", in.take); err != nil {
		return err
	}
	return expectOnce(in, []string{"sync", "async", "oneway", "batch-1", "batch-2"})
}

func tags(b *bed) error {
	topic, p, err := b.topicAndProducer(2)
	if err != nil {
		return err
	}
	in := &inbox{}
	if _, err := b.push(b.unique("G"), topic, "a || b", in.take); err != nil {
		return err
	}
	var wanted []string
	for _, tag := range []string{"a", "c", "b", "d"} {
		sent, err := sendAll(p, topic, tag, "tag-"+tag, 10)
		if err != nil {
			return err
		}
		if tag == "a" || tag == "b" {
			wanted = append(wanted, sent...)
		}
	}
	return expectOnce(in, wanted)
}

func retry(b *bed) error {
	topic, p, err := b.topicAndProducer(1)
	if err != nil {
		return err
	}
	var mutex sync.Mutex
	var times []int32
	if _, err := b.push(b.unique("G"), topic, "*", func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		mutex.Lock()
		defer mutex.Unlock()
		for _, m := range messages {
			times = append(times, m.ReconsumeTimes)
		}
		if len(times) < 3 {
			concurrently, _ := primitive.GetConcurrentlyCtx(ctx)
			concurrently.DelayLevelWhenNextConsume = 1
			return consumer.ConsumeRetryLater, nil
		}
		return consumer.ConsumeSuccess, nil
	}); err != nil {
		return err
	}
	if _, err := sendAll(p, topic, "t", "retry", 1); err != nil {
		return err
	}
	return settles(100*time.Second, func() error {
		mutex.Lock()
		defer mutex.Unlock()
		if fmt.Sprint(times) != "[0 1 2]" {
			return fmt.Errorf("reconsume times %v", times)
		}
		return nil
	})
}

// ledger notes what is consumed of each queue, in order.
type ledger struct {
	mutex  sync.Mutex
	queues map[int][]int64
	who    map[string]int
}

func newLedger() *ledger {
	return &ledger{queues: map[int][]int64{}, who: map[string]int{}}
}

func (l *ledger) listener(who string) listener {
	return func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		for _, m := range messages {
			l.queues[m.Queue.QueueId] = append(l.queues[m.Queue.QueueId], m.QueueOffset)
			l.who[who]++
		}
		return consumer.ConsumeSuccess, nil
	}
}

// inOrder: `each` messages of every queue, in order; a consumer that takes over may begin again a little earlier.
func (l *ledger) inOrder(queues, each int) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for queue := 0; queue < queues; queue++ {
		highest := int64(-1)
		previous := int64(-1)
		for _, offset := range l.queues[queue] {
			if offset != previous+1 && offset > highest {
				return fmt.Errorf("queue %d: %v", queue, l.queues[queue])
			}
			previous = offset
			if offset > highest {
				highest = offset
			}
		}
		if highest != int64(each)-1 {
			return fmt.Errorf("queue %d is consumed up to %d of %d", queue, highest, each)
		}
	}
	return nil
}

func sendToQueues(p rocketmq.Producer, topic, broker string, queues, each int) error {
	for i := 0; i < each; i++ {
		for queue := 0; queue < queues; queue++ {
			m := message(topic, "t", fmt.Sprintf("%d-%d", queue, i))
			m.Queue = &primitive.MessageQueue{Topic: topic, BrokerName: broker, QueueId: queue}
			if _, err := p.SendSync(context.Background(), m); err != nil {
				return err
			}
		}
	}
	return nil
}

func order(b *bed) error {
	topic, p, err := b.topicAndProducer(4, producer.WithQueueSelector(producer.NewManualQueueSelector()))
	if err != nil {
		return err
	}
	l := newLedger()
	if _, err := b.push(b.unique("G"), topic, "*", l.listener("one"), consumer.WithConsumerOrder(true)); err != nil {
		return err
	}
	if err := sendToQueues(p, topic, "broker-a", 4, 50); err != nil {
		return err
	}
	return settles(75*time.Second, func() error { return l.inOrder(4, 50) })
}

func orderLeave(b *bed) error {
	topic, p, err := b.topicAndProducer(4, producer.WithQueueSelector(producer.NewManualQueueSelector()))
	if err != nil {
		return err
	}
	l := newLedger()
	group := b.unique("G")
	if _, err := b.push(group, topic, "*", l.listener("stays"), consumer.WithConsumerOrder(true)); err != nil {
		return err
	}
	leaves, err := b.push(group, topic, "*", l.listener("leaves"), consumer.WithConsumerOrder(true))
	if err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	if err := sendToQueues(p, topic, "broker-a", 4, 20); err != nil {
		return err
	}
	// This client keeps the locks of queues that it passes on, so the other one may have to wait until they expire: 60 s, and up to
	// 20 s until it tries again.
	if err := settles(150*time.Second, func() error { return l.inOrder(4, 20) }); err != nil {
		return err
	}
	if err := leaves.Shutdown(); err != nil {
		return err
	}
	if err := sendToQueues(p, topic, "broker-a", 4, 20); err != nil {
		return err
	}
	return settles(150*time.Second, func() error { return l.inOrder(4, 40) })
}

func broadcast(b *bed) error {
	topic, p, err := b.topicAndProducer(2)
	if err != nil {
		return err
	}
	group := b.unique("G")
	one, two := &inbox{}, &inbox{}
	for _, in := range []*inbox{one, two} {
		if _, err := b.push(group, topic, "*", in.take, consumer.WithConsumerModel(consumer.BroadCasting)); err != nil {
			return err
		}
	}
	sent, err := sendAll(p, topic, "t", "all", 20)
	if err != nil {
		return err
	}
	if err := expectOnce(one, sent); err != nil {
		return err
	}
	return expectOnce(two, sent)
}

// offsets: who comes back goes on where the group ended.
func offsets(b *bed) error {
	topic, p, err := b.topicAndProducer(2)
	if err != nil {
		return err
	}
	group := b.unique("G")
	first := &inbox{}
	c, err := b.push(group, topic, "*", first.take)
	if err != nil {
		return err
	}
	sent, err := sendAll(p, topic, "t", "before", 20)
	if err != nil {
		return err
	}
	if err := expectOnce(first, sent); err != nil {
		return err
	}
	// The client notes an offset when the listener has returned.
	if err := settles(60*time.Second, func() error {
		if behind, known := c.GetOffsetDiffMap()[topic]; !known || behind != 0 {
			return fmt.Errorf("%d messages are not noted as consumed", behind)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := c.Shutdown(); err != nil {
		return err
	}
	if sent, err = sendAll(p, topic, "t", "after", 10); err != nil {
		return err
	}
	second := &inbox{}
	if _, err := b.push(group, topic, "*", second.take); err != nil {
		return err
	}
	return expectOnce(second, sent)
}

func pullFrom(b *bed) error {
	topic, p, err := b.topicAndProducer(1)
	if err != nil {
		return err
	}
	if _, err := sendAll(p, topic, "t", "pulled", 10); err != nil {
		return err
	}
	name := b.unique("G")
	c, err := rocketmq.NewPullConsumer(consumer.WithNsResolver(b.resolver()), consumer.WithGroupName(name), consumer.WithInstance(name))
	if err != nil {
		return err
	}
	if err := c.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}); err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	b.closers = append(b.closers, func() { _ = c.Shutdown() })
	queue := &primitive.MessageQueue{Topic: topic, BrokerName: "broker-a", QueueId: 0}
	return settles(60*time.Second, func() error {
		result, err := c.PullFrom(context.Background(), queue, 3, 5)
		if err != nil {
			return err
		}
		messages := result.GetMessageExts()
		if result.Status != primitive.PullFound || len(messages) != 5 || messages[0].QueueOffset != 3 || result.NextBeginOffset != 8 ||
			result.MaxOffset != 10 {
			return fmt.Errorf("pull from 3: %v", result)
		}
		return nil
	})
}

func requestReply(b *bed) error {
	topic, err := b.topic(1)
	if err != nil {
		return err
	}
	replier, err := b.producer()
	if err != nil {
		return err
	}
	if _, err := b.push(b.unique("G"), topic, "*", func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, m := range messages {
			body := []byte("answer to " + string(m.Body))
			reply, err := consumer.CreateReplyMessage(m, body)
			if err == nil {
				// This release of the client forgets it.
				reply.Body = body
				_, err = replier.SendSync(context.Background(), reply)
			}
			if err != nil {
				return consumer.ConsumeRetryLater, err
			}
		}
		return consumer.ConsumeSuccess, nil
	}); err != nil {
		return err
	}
	asker, err := b.producer()
	if err != nil {
		return err
	}
	// The client tells brokers that it is there every 30 s, and those only whose routes it has asked for by then. Before that, no broker
	// knows where an answer should go.
	return settles(100*time.Second, func() error {
		answer, err := asker.Request(context.Background(), 3*time.Second, message(topic, "t", "question"))
		if err == nil && string(answer.Body) != "answer to question" {
			return fmt.Errorf("the answer is %s", answer.Body)
		}
		return err
	})
}

func namespace(b *bed) error {
	name := b.unique("INST")
	topic := b.unique("T")
	if err := b.topicNamed(name+"%"+topic, 2); err != nil {
		return err
	}
	p, err := b.producer(producer.WithNamespace(name))
	if err != nil {
		return err
	}
	in := &inbox{}
	if _, err := b.push(b.unique("G"), topic, "*", in.take, consumer.WithNamespace(name)); err != nil {
		return err
	}
	sent, err := sendAll(p, topic, "t", "inside", 5)
	if err != nil {
		return err
	}
	return expectOnce(in, sent)
}
