package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// commit sends one transaction: what build puts into the library's connection, then the raw messages that it returns, which the library has no words for. The library
// only writes the messages down; they are sent from here, so that all are in one batch.
func commit(build func(*nftables.Conn) ([]netlink.Message, error)) error {
	var batch []netlink.Message
	c, err := nftables.New(nftables.WithTestDial(func(req []netlink.Message) ([]netlink.Message, error) {
		if len(req) > 0 {
			batch = req
		}
		return nil, io.EOF
	}))
	if err != nil {
		return err
	}
	raw, err := build(c)
	if err != nil {
		return err
	}
	if err := c.Flush(); err != nil {
		return err
	}
	if len(batch) < 2 {
		return errors.New("an empty transaction")
	}
	end := len(batch) - 1
	messages := append(append(batch[:end:end], raw...), batch[end])
	acks := 0
	for i := range messages {
		h := &messages[i].Header
		h.Sequence, h.PID = 0, 0
		h.Flags &^= unix.NLM_F_ECHO
		// Errors come unasked. Who has asked for nothing else hears when all is done by the one acknowledgement of the last message.
		h.Flags &^= netlink.Acknowledge
		if i == len(messages)-2 {
			h.Flags |= netlink.Acknowledge
			acks++
		}
	}
	return send(messages, acks)
}

// send puts a batch to the kernel and waits for its acknowledgement, or for the first error.
func send(messages []netlink.Message, acks int) error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer func() { _ = conn.Close() }()
	size := 1 << 20
	for _, m := range messages {
		size += len(m.Data) + unix.NLMSG_HDRLEN + unix.NLMSG_ALIGNTO
	}
	if err := conn.SetWriteBuffer(size); err != nil {
		return fmt.Errorf("size of the netlink socket: %w", err)
	}
	if _, err := conn.SendMessages(messages); err != nil {
		return fmt.Errorf("send to nftables: %w", err)
	}
	for acks > 0 {
		replies, err := conn.Receive()
		if err != nil {
			return fmt.Errorf("nftables refused the transaction: %w", err)
		}
		for _, r := range replies {
			if r.Header.Type == netlink.Error {
				acks--
			}
		}
	}
	return nil
}

// forwardRule is the message of a rule that ends with "fwd", which the library has no expression for: the frame goes out again on the device in register dev, to the
// neighbour whose address is in register addr.
func forwardRule(table, chain string, exprs []expr.Any, dev, addr uint32, family byte) (netlink.Message, error) {
	fail := func(err error) (netlink.Message, error) {
		return netlink.Message{}, fmt.Errorf("write the rule that forwards: %w", err)
	}
	list := netlink.NewAttributeEncoder()
	for _, e := range exprs {
		b, err := expr.Marshal(unix.NFPROTO_NETDEV, e)
		if err != nil {
			return fail(err)
		}
		list.Bytes(unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, b)
	}
	list.Nested(unix.NFTA_LIST_ELEM, func(e *netlink.AttributeEncoder) error {
		e.String(unix.NFTA_EXPR_NAME, "fwd")
		e.Nested(unix.NFTA_EXPR_DATA, func(d *netlink.AttributeEncoder) error {
			d.ByteOrder = binary.BigEndian
			d.Uint32(unix.NFTA_FWD_SREG_DEV, dev)
			d.Uint32(forwardAddress, addr)
			d.Uint32(forwardFamily, uint32(family))
			return nil
		})
		return nil
	})
	expressions, err := list.Encode()
	if err != nil {
		return fail(err)
	}
	rule := netlink.NewAttributeEncoder()
	rule.String(unix.NFTA_RULE_TABLE, table)
	rule.String(unix.NFTA_RULE_CHAIN, chain)
	rule.Bytes(unix.NLA_F_NESTED|unix.NFTA_RULE_EXPRESSIONS, expressions)
	data, err := rule.Encode()
	if err != nil {
		return fail(err)
	}
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWRULE), Flags: netlink.Request | netlink.Create | netlink.Append},
		Data:   append([]byte{unix.NFPROTO_NETDEV, unix.NFNETLINK_V0, 0, 0}, data...),
	}, nil
}

// Attributes of "fwd" that package unix lacks.
const (
	forwardAddress = 2
	forwardFamily  = 3
)
