package launch

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestMessages(t *testing.T) {
	q := Request{ID: 1 << 40, ProgramFD: 130, Path: "/p", Dir: "/", Args: []string{"p", "", "ü"}, Env: []string{"A=b"}}
	b, err := q.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := Length([headSize]byte(b)); n != len(b)-headSize || err != nil {
		t.Errorf("length %d of %d, %v", n, len(b)-headSize, err)
	}
	got, err := ParseRequest(b[headSize:])
	if diff := cmp.Diff(q, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for n := range len(b) - headSize {
		if _, err := ParseRequest(b[headSize : headSize+n]); err == nil {
			t.Errorf("the first %d bytes are a request", n)
		}
	}
	p := Reply{Kind: Exited, ID: 3, PID: 1 << 22, Status: -1, Errno: 7, Text: "why"}
	if b, err = p.Append(nil); err != nil {
		t.Fatal(err)
	}
	reply, err := ParseReply(b[headSize:])
	if diff := cmp.Diff(p, reply); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := ParseReply(append(b[headSize:], 0)); err == nil {
		t.Error("a byte too many is taken")
	}
}

func TestTooLong(t *testing.T) {
	if _, err := (Request{Args: []string{strings.Repeat("x", maxFrame)}}).Append(nil); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v", err)
	}
	if _, err := Length([headSize]byte{255, 255, 255, 255}); err == nil {
		t.Error("a length beyond all bounds is taken")
	}
}

func FuzzParse(f *testing.F) {
	q, _ := Request{ID: 1, Path: "/p", Args: []string{"p"}, Env: []string{"A=b"}}.Append(nil)
	p, _ := Reply{Kind: Failed, Text: "no"}.Append(nil)
	f.Add(q[headSize:])
	f.Add(p[headSize:])
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := ParseRequest(b); err == nil {
			again, err := q.Append(nil)
			if err != nil || !bytes.Equal(again[headSize:], b) {
				t.Errorf("%v: %x became %x", err, b, again)
			}
			back, err := ParseRequest(again[headSize:])
			if diff := cmp.Diff(q, back, cmpopts.EquateEmpty()); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		}
		if p, err := ParseReply(b); err == nil {
			again, err := p.Append(nil)
			if err != nil || !bytes.Equal(again[headSize:], b) {
				t.Errorf("%v: %x became %x", err, b, again)
			}
		}
	})
}
