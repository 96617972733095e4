// Package launch is the process that starts the programs of resources for the daemon: a small one of ordinary priority, with few open files and nothing in memory.
//
// Who starts a program waits in the kernel until the child has become it. A goroutine of the daemon that did so would keep one of the runtime's places meanwhile and could not be
// stopped, and with it, at the next collection of garbage, everything else, heartbeats too; and each child would begin with closing all the files that the daemon has open. Here
// nothing waits but the next start. Because this process is ordinary, so is everything that it starts, from its first moment; and when the machine has no time for ordinary work
// no further starts are piled upon it.
//
// The daemon holds the other end of a stream socket. It sends Requests, with the descriptors that belong to them, and gets Replies. The process ends with that connection; what it
// has started does not.
package launch

import (
	"encoding/binary"
	"errors"
)

// Word is the first argument that makes a program of ours this process.
const Word = "launch"

// Descriptors of the process when it begins. The namespaces are there only with the argument Enter.
const (
	SocketFD = 3
	pidFD    = 4
	mountFD  = 5
)

// Enter is the argument with which the process makes children in the PID namespace and the mount namespace that it was given.
const Enter = "-enter"

// LowestFD is the lowest number that the descriptor of a program may have: those below are the process's own.
const LowestFD = 16

// maxFrame is the longest Request or Reply, in bytes. The kernel takes arguments and environment of two MiB at most.
const maxFrame = 4 << 20

// headSize is the size of what stands before each Request and each Reply: the length of the rest.
const headSize = 4

// errFrame is for what is no Request or Reply of ours.
var errFrame = errors.New("not a message of this version of the program")

// ErrTooLong is returned for a Request that can not be sent.
var ErrTooLong = errors.New("arguments and environment are too long")

// Request asks for a program. Its cgroup (a directory) and its standard output and error (one file) are sent with it, and the program itself when ProgramFD is not zero.
type Request struct {
	ID        uint64
	ProgramFD int // the number under which Path leads to the program that was sent
	Path      string
	Dir       string
	Args      []string // complete: the program's own name is the first
	Env       []string
}

// Kinds of Reply.
const (
	Started = 's' // ID, PID
	Failed  = 'f' // ID, and Errno or Text
	Exited  = 'x' // PID, Status; after Started
	Useless = 'u' // Text: no program can be started, and the process ends
)

// Reply is what becomes of a Request and of the program.
type Reply struct {
	Kind   byte
	ID     uint64
	PID    int
	Status int // as a shell gives it: 128+n when signal n ended it
	Errno  int
	Text   string
}

// Append adds the message, with its head.
func (r Request) Append(b []byte) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, headSize)...)
	b = binary.NativeEndian.AppendUint64(b, r.ID)
	b = binary.NativeEndian.AppendUint32(b, uint32(r.ProgramFD))
	b = appendText(b, r.Path)
	b = appendText(b, r.Dir)
	b = appendTexts(b, r.Args)
	b = appendTexts(b, r.Env)
	return seal(b, start)
}

// Append adds the message, with its head.
func (r Reply) Append(b []byte) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, headSize)...)
	b = append(b, r.Kind)
	b = binary.NativeEndian.AppendUint64(b, r.ID)
	for _, n := range []int{r.PID, r.Status, r.Errno} {
		b = binary.NativeEndian.AppendUint32(b, uint32(n))
	}
	return seal(appendText(b, r.Text), start)
}

// seal writes the head of the message that begins at start.
func seal(b []byte, start int) ([]byte, error) {
	n := len(b) - start - headSize
	if n > maxFrame {
		return nil, ErrTooLong
	}
	binary.NativeEndian.PutUint32(b[start:], uint32(n))
	return b, nil
}

// Length is how many bytes follow a head.
func Length(head [headSize]byte) (int, error) {
	n := binary.NativeEndian.Uint32(head[:])
	if n > maxFrame {
		return 0, errFrame
	}
	return int(n), nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.NativeEndian.AppendUint32(b, uint32(len(s))), s...)
}

func appendTexts(b []byte, list []string) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(len(list)))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

// reader takes a message apart; once something is missing it gives nothing more.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad = true
		return nil
	}
	part := r.rest[:n]
	r.rest = r.rest[n:]
	return part
}

func (r *reader) number() int {
	if b := r.take(4); b != nil {
		return int(int32(binary.NativeEndian.Uint32(b)))
	}
	return 0
}

func (r *reader) long() uint64 {
	if b := r.take(8); b != nil {
		return binary.NativeEndian.Uint64(b)
	}
	return 0
}

func (r *reader) text() string {
	n := r.number()
	r.bad = r.bad || n < 0
	return string(r.take(n))
}

func (r *reader) texts() []string {
	n := r.number()
	if r.bad || n < 0 || n > len(r.rest)/4 { // each takes four bytes at least
		r.bad = true
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.text()
	}
	return list
}

func (r *reader) end() error {
	if r.bad || len(r.rest) > 0 {
		return errFrame
	}
	return nil
}

// ParseRequest reads a message without its head.
func ParseRequest(b []byte) (Request, error) {
	r := reader{rest: b}
	q := Request{ID: r.long(), ProgramFD: r.number(), Path: r.text(), Dir: r.text(), Args: r.texts(), Env: r.texts()}
	return q, r.end()
}

// ParseReply reads a message without its head.
func ParseReply(b []byte) (Reply, error) {
	r := reader{rest: b}
	var p Reply
	if kind := r.take(1); kind != nil {
		p.Kind = kind[0]
	}
	p.ID, p.PID, p.Status, p.Errno, p.Text = r.long(), r.number(), r.number(), r.number(), r.text()
	return p, r.end()
}
