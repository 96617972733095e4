package beat

import (
	"encoding/binary"
	"errors"
	"math"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// What a message holds. The numbers are on the wire.
const (
	kindHeartbeat = 1
	kindAnswer    = 2
	kindFenced    = 3
)

const (
	// listBudget bounds the encoded entries of one list. What does not fit is left out: it is said in a later heartbeat, when the entries before
	// it are settled. With names of ten characters that is about a hundred nodes in each of the three lists.
	listBudget = 2400
	maxTag     = 32
	// maxMessage is more than any message that can be encoded.
	maxMessage = 3*listBudget + 512
)

var errWire = errors.New("heartbeat message is malformed")

// appendMessage appends the encoding of msg to b; From is not part of it, because the transport proves it. Every message has one encoding.
func appendMessage(b []byte, msg *membership.Message) ([]byte, error) {
	kind := byte(0)
	for _, k := range []struct {
		set  bool
		kind byte
	}{{msg.Heartbeat != nil, kindHeartbeat}, {msg.Answer != nil, kindAnswer}, {msg.Fenced != nil, kindFenced}} {
		if k.set && kind != 0 {
			return b, errors.New("heartbeat message holds two things")
		}
		if k.set {
			kind = k.kind
		}
	}
	b = append(b, kind)
	b = binary.BigEndian.AppendUint64(b, uint64(msg.Session))
	b = binary.BigEndian.AppendUint64(b, uint64(msg.ToSession))
	b = binary.AppendUvarint(b, msg.Seq)
	b = binary.AppendUvarint(b, uint64(msg.Epoch))
	b = binary.AppendUvarint(b, uint64(msg.VoterEpoch))
	if !msg.Copy.State.Known() {
		return b, errors.New("heartbeat message tells of a copy in a state that there is not")
	}
	b = append(b, byte(msg.Copy.State))
	b = binary.AppendUvarint(b, msg.Copy.Seat)
	b = binary.AppendUvarint(b, msg.Copy.Index)
	b, err := appendIncarnation(b, msg.Incarnation)
	if err != nil {
		return b, err
	}
	switch kind {
	case kindHeartbeat:
		return appendHeartbeat(b, msg.Heartbeat)
	case kindAnswer:
		if msg.Answer.Hold < 0 {
			return b, errors.New("heartbeat message holds a promise of less than nothing")
		}
		b = binary.AppendUvarint(b, msg.Answer.Seq)
		b = binary.AppendUvarint(b, uint64(msg.Answer.Hold))
		return appendIncarnation(b, msg.Answer.Incarnation)
	case kindFenced:
		if msg.Fenced.Incarnation.IsZero() {
			return b, errors.New("heartbeat message says that no incarnation at all was fenced")
		}
		return appendIncarnation(b, msg.Fenced.Incarnation)
	}
	return b, errors.New("heartbeat message holds nothing")
}

func appendHeartbeat(b []byte, h *membership.Heartbeat) ([]byte, error) {
	farewell := byte(0)
	if h.Farewell {
		farewell = 1
	}
	b = append(b, farewell)
	for _, list := range [][]membership.NodeIncarnation{h.Suspects, h.Released, h.Heard} {
		n, size := 0, 0
		for n < len(list) && size+entrySize(list[n]) <= listBudget {
			size += entrySize(list[n])
			n++
		}
		b = binary.AppendUvarint(b, uint64(n))
		for _, ni := range list[:n] {
			if err := cluster.CheckName("node", string(ni.Node)); err != nil {
				return b, err
			}
			b = append(b, byte(len(ni.Node)))
			b = append(b, ni.Node...)
			var err error
			if b, err = appendIncarnation(b, ni.Incarnation); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}

func entrySize(ni membership.NodeIncarnation) int {
	var number [binary.MaxVarintLen64]byte
	return 1 + len(ni.Node) + binary.PutUvarint(number[:], ni.Incarnation.Number) + 1 + len(ni.Incarnation.Tag)
}

func appendIncarnation(b []byte, i cluster.Incarnation) ([]byte, error) {
	if !goodIncarnation(i) {
		return b, errors.New("heartbeat message names an incarnation that is none")
	}
	b = binary.AppendUvarint(b, i.Number)
	b = append(b, byte(len(i.Tag)))
	return append(b, i.Tag...), nil
}

// goodIncarnation accepts what cluster.ParseIncarnation does, with a tag of letters and digits that is not too long.
func goodIncarnation(i cluster.Incarnation) bool {
	for _, c := range []byte(i.Tag) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return len(i.Tag) <= maxTag && (i.Number == 0) == (i.Tag == "")
}

// reader takes an encoded message apart. After its first error it gives zero values.
type reader struct {
	b     []byte
	bad   bool
	names *interner
}

// parseMessage is the inverse of appendMessage. It accepts nothing that appendMessage would not have written.
func parseMessage(b []byte, names *interner) (membership.Message, error) {
	r := reader{b: b, names: names}
	kind := r.byte()
	msg := membership.Message{
		Session:     membership.Session(r.fixed()),
		ToSession:   membership.Session(r.fixed()),
		Seq:         r.uvarint(),
		Epoch:       cluster.Epoch(r.uvarint()),
		VoterEpoch:  cluster.Epoch(r.uvarint()),
		Copy:        r.copy(),
		Incarnation: r.incarnation(),
	}
	switch kind {
	case kindHeartbeat:
		msg.Heartbeat = r.heartbeat()
	case kindAnswer:
		a := membership.Answer{Seq: r.uvarint()}
		hold := r.uvarint()
		r.bad = r.bad || hold > math.MaxInt64
		a.Hold, a.Incarnation = int64(hold), r.incarnation()
		msg.Answer = &a
	case kindFenced:
		f := membership.Fenced{Incarnation: r.incarnation()}
		r.bad = r.bad || f.Incarnation.IsZero()
		msg.Fenced = &f
	default:
		r.bad = true
	}
	if r.bad || len(r.b) != 0 {
		return membership.Message{}, errWire
	}
	return msg, nil
}

func (r *reader) copy() membership.Copy {
	c := membership.Copy{State: membership.CopyState(r.byte()), Seat: r.uvarint(), Index: r.uvarint()}
	r.bad = r.bad || !c.State.Known()
	return c
}

func (r *reader) heartbeat() *membership.Heartbeat {
	farewell := r.byte()
	r.bad = r.bad || farewell > 1
	h := &membership.Heartbeat{Farewell: farewell == 1}
	h.Suspects, h.Released, h.Heard = r.list(), r.list(), r.list()
	return h
}

func (r *reader) list() []membership.NodeIncarnation {
	const smallest = 4 // a name, a number and a tag of one byte each, less what a zero incarnation saves
	n := r.uvarint()
	if r.bad || n > listBudget/smallest+1 || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	if n == 0 {
		return nil
	}
	list := make([]membership.NodeIncarnation, 0, n)
	start := len(r.b)
	for range n {
		list = append(list, membership.NodeIncarnation{Node: r.name(), Incarnation: r.incarnation()})
		if r.bad {
			return nil
		}
	}
	r.bad = start-len(r.b) > listBudget
	return list
}

func (r *reader) name() cluster.NodeName {
	s := r.names.get(r.take(int(r.byte())))
	r.bad = r.bad || cluster.CheckName("node", s) != nil
	return cluster.NodeName(s)
}

func (r *reader) incarnation() cluster.Incarnation {
	i := cluster.Incarnation{Number: r.uvarint()}
	i.Tag = r.names.get(r.take(int(r.byte())))
	r.bad = r.bad || !goodIncarnation(i)
	return i
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad = true
		return nil
	}
	t := r.b[:n]
	r.b = r.b[n:]
	return t
}

func (r *reader) byte() byte {
	if t := r.take(1); t != nil {
		return t[0]
	}
	return 0
}

func (r *reader) fixed() uint64 {
	if t := r.take(8); t != nil {
		return binary.BigEndian.Uint64(t)
	}
	return 0
}

// uvarint refuses numbers with superfluous bytes.
func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// interner keeps the strings that come again with every heartbeat, so that reading one does not make them anew. It is given only what an
// authentic peer sent, and forgets everything when it becomes large.
type interner struct{ known map[string]string }

const maxInterned = 1024

func (i *interner) get(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := i.known[string(b)]; ok {
		return s
	}
	if i.known == nil || len(i.known) >= maxInterned {
		i.known = make(map[string]string)
	}
	s := string(b)
	i.known[s] = s
	return s
}
