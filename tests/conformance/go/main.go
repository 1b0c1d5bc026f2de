// Command go-client runs the scenarios of the Go client. Arguments: name server, broker, patterns of names.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// bed is what one scenario works with.
type bed struct {
	namesrv string
	broker  string
	name    string
	serial  int
	closers []func()
}

type scenario struct {
	name string
	run  func(*bed) error
}

var scenarios = []scenario{
	{"send", send},
	{"push_with_tags", tags},
	{"push_with_retry", retry},
	{"order", order},
	{"order_when_one_leaves", orderLeave},
	{"broadcast", broadcast},
	{"offsets_are_kept", offsets},
	{"pull_from", pullFrom},
	{"request_reply", requestReply},
	{"namespace", namespace},
}

func (b *bed) unique(kind string) string {
	b.serial++
	return fmt.Sprintf("%s_go_%s_%d_%d", kind, b.name, os.Getpid(), b.serial)
}

func (b *bed) resolver() primitive.NsResolver {
	return primitive.NewPassthroughResolver([]string{b.namesrv})
}

func (b *bed) topicNamed(topic string, queues int) error {
	a, err := admin.NewAdmin(admin.WithResolver(b.resolver()))
	if err != nil {
		return err
	}
	defer a.Close()
	return a.CreateTopic(context.Background(), admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(b.broker),
		admin.WithReadQueueNums(queues), admin.WithWriteQueueNums(queues))
}

func (b *bed) topic(queues int) (string, error) {
	topic := b.unique("T")
	return topic, b.topicNamed(topic, queues)
}

func (b *bed) producer(options ...producer.Option) (rocketmq.Producer, error) {
	name := b.unique("P")
	// The client sends again after its own 3 s, which a busy machine may stand still: the message would be there twice.
	options = append([]producer.Option{producer.WithNsResolver(b.resolver()), producer.WithGroupName(name),
		producer.WithInstanceName(name), producer.WithSendMsgTimeout(15 * time.Second)}, options...)
	p, err := rocketmq.NewProducer(options...)
	if err != nil {
		return nil, err
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	b.closers = append(b.closers, func() { _ = p.Shutdown() })
	return p, nil
}

// topicAndProducer makes what most scenarios begin with.
func (b *bed) topicAndProducer(queues int, options ...producer.Option) (string, rocketmq.Producer, error) {
	topic, err := b.topic(queues)
	if err != nil {
		return "", nil, err
	}
	p, err := b.producer(options...)
	return topic, p, err
}

// inbox collects what consumers are given.
type inbox struct {
	mutex sync.Mutex
	got   []*primitive.MessageExt
}

func (i *inbox) take(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.got = append(i.got, messages...)
	return consumer.ConsumeSuccess, nil
}

func (i *inbox) all() []*primitive.MessageExt {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return append([]*primitive.MessageExt(nil), i.got...)
}

func (i *inbox) bodies() map[string]int {
	out := map[string]int{}
	for _, m := range i.all() {
		out[string(m.Body)]++
	}
	return out
}

type listener func(context.Context, ...*primitive.MessageExt) (consumer.ConsumeResult, error)

func (b *bed) push(group, topic, expression string, take listener, options ...consumer.Option) (rocketmq.PushConsumer, error) {
	options = append([]consumer.Option{consumer.WithNsResolver(b.resolver()), consumer.WithGroupName(group),
		consumer.WithInstance(b.unique("I")), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset)}, options...)
	c, err := rocketmq.NewPushConsumer(options...)
	if err != nil {
		return nil, err
	}
	if err := c.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: expression}, take); err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	b.closers = append(b.closers, func() { _ = c.Shutdown() })
	return c, nil
}

func settles(limit time.Duration, what func() error) error {
	end := time.Now().Add(limit)
	for {
		err := what()
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func message(topic, tag, body string) *primitive.Message {
	return primitive.NewMessage(topic, []byte(body)).WithTag(tag).WithKeys([]string{"k" + body})
}

func sendAll(p rocketmq.Producer, topic, tag, prefix string, count int) ([]string, error) {
	var sent []string
	for i := 0; i < count; i++ {
		body := fmt.Sprintf("%s-%d", prefix, i)
		if _, err := p.SendSync(context.Background(), message(topic, tag, body)); err != nil {
			return nil, err
		}
		sent = append(sent, body)
	}
	return sent, nil
}

func expectOnce(i *inbox, sent []string) error {
	return settles(75*time.Second, func() error {
		bodies := i.bodies()
		for _, body := range sent {
			if bodies[body] != 1 {
				return fmt.Errorf("%s came %d times", body, bodies[body])
			}
		}
		if len(bodies) != len(sent) {
			return fmt.Errorf("%d messages expected, %d there", len(sent), len(bodies))
		}
		return nil
	})
}

func attempt(s scenario, namesrv, broker string) (err error) {
	b := &bed{namesrv: namesrv, broker: broker, name: s.name}
	defer func() {
		for i := len(b.closers) - 1; i >= 0; i-- {
			b.closers[i]()
		}
	}()
	done := make(chan error, 1)
	go func() { done <- s.run(b) }()
	select {
	case err = <-done:
		return err
	case <-time.After(420 * time.Second):
		return fmt.Errorf("not done within 420 s")
	}
}

func main() {
	passed, failed := 0, 0
	for _, s := range scenarios {
		wanted := len(os.Args) == 3
		for _, pattern := range os.Args[3:] {
			wanted = wanted || strings.Contains(s.name, pattern)
		}
		if !wanted {
			continue
		}
		begin := time.Now()
		err := attempt(s, os.Args[1], os.Args[2])
		seconds := time.Since(begin).Seconds()
		if err == nil {
			passed++
			fmt.Printf("PASS go/%s %.1f\n", s.name, seconds)
		} else {
			failed++
			fmt.Printf("FAIL go/%s %.1f %v\n", s.name, seconds, err)
		}
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 || passed == 0 {
		os.Exit(1)
	}
}
