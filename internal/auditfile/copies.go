package auditfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/auditlog"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// MaxCopy bounds the copy of one node's log: when it is larger its refusals go, but for the newest eighth, and if that is not enough its older half; the hashes that
// stand for what went stay.
const MaxCopy = 64 << 20

const (
	nameCopy     = "copy.json" // what is known of the log: key, base, newest head
	nameEvidence = "evidence.jsonl"
	maxEvidence  = 64 // lines
)

// Copies are the logs of the other nodes as far as this node has them, one directory each. It is safe for use by several goroutines.
type Copies struct {
	dir string
	max int64

	mu   sync.Mutex
	kept map[string]*copied
}

// copied is one node's log in memory.
type copied struct {
	auditlog.Pinned
	tree *auditlog.Tree
	twin *os.File
	size int64
}

// OpenCopies opens the copies below a directory.
func OpenCopies(dir string) (*Copies, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Errorf(fault.Unavailable, "copies of the command logs: %w", err)
	}
	return &Copies{dir: dir, max: MaxCopy, kept: map[string]*copied{}}, nil
}

// Close ends the use of the copies.
func (c *Copies) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.kept {
		_ = k.twin.Close()
	}
	c.kept = map[string]*copied{}
}

// Nodes names the nodes of which there is a copy.
func (c *Copies) Nodes() []string {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && cluster.CheckName("node", e.Name()) == nil {
			out = append(out, e.Name())
		}
	}
	return out
}

// open reads the copy of a node's log; the caller holds the lock. A copy whose records do not give the head that was pinned is set aside: the head counts.
func (c *Copies) open(node string) (*copied, error) {
	if k := c.kept[node]; k != nil {
		return k, nil
	}
	if err := cluster.CheckName("node", node); err != nil {
		return nil, err
	}
	fail := func(err error) (*copied, error) {
		return nil, fault.Errorf(fault.Unavailable, "copy of the command log of node %s: %w", node, err)
	}
	dir := filepath.Join(c.dir, node)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	k := &copied{}
	b, err := os.ReadFile(filepath.Join(dir, nameCopy))
	if err == nil {
		err = json.Unmarshal(b, &k.Pinned)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fail(err)
	}
	path := filepath.Join(dir, auditlog.NameTwin)
	if k.twin, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return fail(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return fail(err)
	}
	if k.tree, k.size, err = rebuild(k.Pinned, content); err != nil {
		k.Damaged = fmt.Sprintf("the copy of the log of node %s that is kept here was changed, and is taken anew: %v", node, err)
		aside := path + ".damaged"
		err := errors.Join(os.Rename(path, aside), k.twin.Close())
		if err == nil {
			k.twin, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		}
		if err != nil {
			return fail(err)
		}
		k.Base = auditlog.Base{}
		k.tree, _ = auditlog.NewTree(k.Base)
		k.size = 0
	} else if int64(len(content)) > k.size { // written, but not pinned before a crash
		if err := k.twin.Truncate(k.size); err != nil {
			return fail(err)
		}
	}
	k.Have = k.tree.Size()
	c.kept[node] = k
	return k, nil
}

// rebuild makes the tree of a copy up to its head.
func rebuild(p auditlog.Pinned, content []byte) (*auditlog.Tree, int64, error) {
	tree, err := auditlog.NewTree(p.Base)
	if err != nil {
		return nil, 0, err
	}
	if len(p.Head) == 0 {
		return tree, 0, nil
	}
	head, err := auditlog.OpenHead(p.Public, p.Head)
	if err != nil {
		return nil, 0, err
	}
	size := int64(0)
	lines, _ := auditlog.Lines(content)
	for _, line := range lines {
		if tree.Size() == p.Have {
			break
		}
		tree.Append(leafOf(line))
		size += int64(len(line)) + 1
	}
	if tree.Size() < p.Have {
		return nil, 0, fmt.Errorf("it has %d entries of %d", tree.Size(), p.Have)
	}
	if p.Have == head.Size && !bytes.Equal(tree.Root(), head.Root) {
		return nil, 0, fmt.Errorf("its %d entries are not those that were signed", head.Size)
	}
	return tree, size, nil
}

// Copy tells what is kept of a node's log.
func (c *Copies) Copy(node string) (auditlog.Pinned, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, err := c.open(node)
	if err != nil {
		return auditlog.Pinned{}, err
	}
	return k.Pinned, nil
}

// Tree returns the tree of the copy as it is now. The caller does not change it.
func (c *Copies) Tree(node string) (*auditlog.Tree, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, err := c.open(node)
	if err != nil {
		return nil, err
	}
	return k.tree.Clone(), nil
}

// Extend adds records that were verified to a copy that has from entries, and pins what is known of the log from now on. It fails with fault.Conflict when the copy
// has another number by now: somebody else fetched records meanwhile, or it was set aside. What is known against the log stays.
func (c *Copies) Extend(node string, from uint64, p auditlog.Pinned, leaves [][]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, err := c.open(node)
	if err != nil {
		return err
	}
	fail := func(err error) error {
		_ = k.twin.Close()
		delete(c.kept, node) // the next use reads what is really there
		return fault.Errorf(fault.Unavailable, "copy of the command log of node %s: %w", node, err)
	}
	if have := k.tree.Size(); have != from {
		return fault.Errorf(fault.Conflict, "copy of the command log of node %s: it has %d entries now, not %d; fetch again from there", node, have, from)
	}
	more := block(leaves)
	if _, err := k.twin.WriteAt(more, k.size); err != nil {
		return fail(err)
	}
	if err := unix.Fdatasync(int(k.twin.Fd())); err != nil {
		return fail(err)
	}
	for _, line := range leaves {
		k.tree.Append(auditlog.LeafHash(line))
	}
	k.size += int64(len(more))
	p.Base, p.Have, p.Damaged = k.tree.Base(), k.tree.Size(), ""
	p.Against, p.Accepted = k.Against, k.Accepted
	k.Pinned = p
	if err := c.pin(node, p); err != nil {
		return fail(err)
	}
	if k.size > c.max {
		if err := c.shrink(node, k); err != nil {
			return fail(err)
		}
	}
	return nil
}

func (c *Copies) pin(node string, p auditlog.Pinned) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return replace(filepath.Join(c.dir, node, nameCopy), b)
}

// shrink makes a copy smaller: refusals go first, and only if they were not what made it large its older half. The new file is in place before what describes it: a
// crash between the two makes the copy be taken anew.
func (c *Copies) shrink(node string, k *copied) error {
	path := filepath.Join(c.dir, node, auditlog.NameTwin)
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines, _ := auditlog.Lines(content[:min(int64(len(content)), k.size)])
	newest, at := len(lines), int64(0)
	for newest > 0 && at < c.max/8 {
		newest--
		at += int64(len(lines[newest])) + 1
	}
	lines = append(thin(lines[:newest]), lines[newest:]...)
	content = block(lines)
	p := k.Pinned
	if int64(len(content)) > c.max/4*3 {
		drop, at := 0, 0
		for drop < len(lines)-1 && at < len(content)/2 {
			at += len(lines[drop]) + 1
			drop++
		}
		if p.Base, err = k.tree.BaseAt(k.Base.Size + uint64(drop)); err != nil {
			return err
		}
		content = content[at:]
	}
	if err := replace(path, content); err != nil {
		return err
	}
	if err := c.pin(node, p); err != nil {
		return err
	}
	_ = k.twin.Close()
	delete(c.kept, node)
	_, err = c.open(node)
	return err
}

// Records reads the records of a copy.
func (c *Copies) Records(node string) ([]auditlog.Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, err := c.open(node)
	if err != nil {
		return nil, err
	}
	content := make([]byte, k.size)
	if _, err := k.twin.ReadAt(content, 0); err != nil && k.size > 0 {
		return nil, fault.Errorf(fault.Internal, "copy of the command log of node %s: %w", node, err)
	}
	lines, _ := auditlog.Lines(content)
	return decoded(lines), nil
}

// Evidence keeps a proof that a node's log was changed. What is kept already is not kept twice, and there is a bound.
func (c *Copies) Evidence(node string, e auditlog.Evidence) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, err := c.open(node)
	if err != nil {
		return err
	}
	have, err := c.evidence(node)
	if err != nil {
		return err
	}
	same := func(o auditlog.Evidence) bool { return bytes.Equal(o.Now, e.Now) && o.Text == e.Text }
	if !slices.ContainsFunc(have, same) && len(have) < maxEvidence {
		line, err := json.Marshal(e)
		if err != nil {
			return fault.Errorf(fault.Internal, "evidence against node %s: %w", node, err)
		}
		f, err := os.OpenFile(filepath.Join(c.dir, node, nameEvidence), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.Write(append(line, '\n'))
			err = errors.Join(err, f.Sync(), f.Close())
		}
		if err != nil {
			return fault.Errorf(fault.Unavailable, "evidence against node %s can not be kept: %w", node, err)
		}
	}
	k.Against = e.Text
	return c.pin(node, k.Pinned)
}

func (c *Copies) evidence(node string) ([]auditlog.Evidence, error) {
	b, err := os.ReadFile(filepath.Join(c.dir, node, nameEvidence))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "evidence against node %s: %w", node, err)
	}
	var out []auditlog.Evidence
	lines, _ := auditlog.Lines(b)
	for _, line := range lines {
		var e auditlog.Evidence
		if json.Unmarshal(line, &e) == nil {
			out = append(out, e)
		}
	}
	return out, nil
}

// Accept sets everything that is known of a node's log aside, with the evidence against it: its log is taken anew from now on.
func (c *Copies) Accept(node string, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.open(node); err != nil {
		return err
	}
	_ = c.kept[node].twin.Close()
	delete(c.kept, node)
	aside := filepath.Join(c.dir, ".accepted", node+"-"+now.UTC().Format("20060102T150405.000"))
	err := os.MkdirAll(filepath.Dir(aside), 0o700)
	if err == nil {
		err = os.Rename(filepath.Join(c.dir, node), aside)
	}
	var k *copied
	if err == nil {
		k, err = c.open(node)
	}
	if err == nil {
		k.Accepted = now
		err = c.pin(node, k.Pinned)
	}
	if err != nil {
		return fault.Errorf(fault.Unavailable, "set the copy of the command log of node %s aside: %w", node, err)
	}
	return nil
}
