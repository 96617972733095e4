package auditlog

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// HashSize is the size of a hash of the tree.
const HashSize = 32

var factory = &compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}

// LeafHash is the hash of a leaf: of the exact bytes of a record's line.
func LeafHash(line []byte) []byte { return rfc6962.DefaultHasher.HashLeaf(line) }

// Base is the beginning of a log that is not kept any more: how many leaves it had, and the hashes that stand for them.
type Base struct {
	Size   uint64   `json:"size"`
	Hashes [][]byte `json:"hashes,omitempty"`
}

// Tree is the Merkle tree of RFC 6962 over the leaves of a log. The leaves before its base are known by the base's hashes only.
type Tree struct {
	base   Base
	hashes [][]byte // of the leaves from the base on
	all    *compact.Range
}

// NewTree makes a tree that begins at a base; the zero Base is the beginning of the log.
func NewTree(base Base) (*Tree, error) {
	if len(base.Hashes) != compact.RangeSize(0, base.Size) {
		return nil, fmt.Errorf("a tree of %d leaves is described by %d hashes, not %d", base.Size, compact.RangeSize(0, base.Size), len(base.Hashes))
	}
	for _, h := range base.Hashes {
		if len(h) != HashSize {
			return nil, fmt.Errorf("a hash has %d bytes, not %d", len(h), HashSize)
		}
	}
	r, err := factory.NewRange(0, base.Size, slices.Clone(base.Hashes)) // which it would change as it grows
	if err != nil {
		return nil, fmt.Errorf("base of a tree: %w", err)
	}
	return &Tree{base: base, all: r}, nil
}

// Append adds the hash of a leaf.
func (t *Tree) Append(hash []byte) {
	t.hashes = append(t.hashes, hash)
	_ = t.all.Append(hash, nil) // it fails for ranges that are built backwards only
}

// Size is the number of leaves, with those before the base.
func (t *Tree) Size() uint64 { return t.all.End() }

// Base is where the leaves that are kept begin.
func (t *Tree) Base() Base { return t.base }

// Leaf returns the hash of a leaf.
func (t *Tree) Leaf(i uint64) ([]byte, bool) {
	if i < t.base.Size || i >= t.Size() {
		return nil, false
	}
	return t.hashes[i-t.base.Size], true
}

// Root is the root of the whole tree.
func (t *Tree) Root() []byte {
	root, err := t.all.GetRootHash(nil)
	if err != nil || t.Size() == 0 {
		return rfc6962.DefaultHasher.EmptyRoot()
	}
	return root
}

// RootAt is the root that the tree had when it had size leaves.
func (t *Tree) RootAt(size uint64) ([]byte, error) {
	if size == t.Size() {
		return t.Root(), nil
	}
	at, err := t.at(size)
	if err != nil {
		return nil, err
	}
	return at.Root(), nil
}

// BaseAt describes the first size leaves by hashes.
func (t *Tree) BaseAt(size uint64) (Base, error) {
	at, err := t.at(size)
	if err != nil {
		return Base{}, err
	}
	return Base{Size: size, Hashes: at.all.Hashes()}, nil
}

func (t *Tree) at(size uint64) (*Tree, error) {
	if size < t.base.Size || size > t.Size() {
		return nil, fmt.Errorf("the tree is known from %d to %d leaves, not at %d", t.base.Size, t.Size(), size)
	}
	out, err := NewTree(t.base)
	if err != nil {
		return nil, err
	}
	for _, h := range t.hashes[:size-t.base.Size] {
		out.Append(h)
	}
	return out, nil
}

// Consistency proves that the tree of old leaves is the beginning of the one of size leaves.
func (t *Tree) Consistency(old, size uint64) ([][]byte, error) {
	if size > t.Size() || old > size {
		return nil, fmt.Errorf("the tree has %d leaves: there is no proof from %d to %d", t.Size(), old, size)
	}
	nodes, err := proof.Consistency(old, size)
	if err != nil {
		return nil, fmt.Errorf("proof from %d to %d leaves: %w", old, size, err)
	}
	hashes := make([][]byte, len(nodes.IDs))
	for i, id := range nodes.IDs {
		if hashes[i], err = t.node(id); err != nil {
			return nil, err
		}
	}
	return nodes.Rehash(hashes, rfc6962.DefaultHasher.HashChildren)
}

// node computes the hash of a complete subtree.
func (t *Tree) node(id compact.NodeID) ([]byte, error) {
	begin, end := id.Coverage()
	if begin < t.base.Size || end > t.Size() {
		return nil, fmt.Errorf("the leaves %d to %d are not kept any more", begin, end)
	}
	r := factory.NewEmptyRange(begin)
	for i := begin; i < end; i++ {
		if err := r.Append(t.hashes[i-t.base.Size], nil); err != nil {
			return nil, err
		}
	}
	if hashes := r.Hashes(); len(hashes) == 1 {
		return hashes[0], nil
	}
	return nil, fmt.Errorf("%d to %d is no complete subtree", begin, end)
}

// CheckConsistency verifies a proof that the log with the head old is the beginning of the log with the head next.
func CheckConsistency(old, next Head, hashes [][]byte) error {
	if next.Size < old.Size {
		return fmt.Errorf("it has %d entries and had %d", next.Size, old.Size)
	}
	if old.Size == 0 {
		return nil
	}
	if next.Size == old.Size {
		if !bytes.Equal(old.Root, next.Root) {
			return fmt.Errorf("there are two different logs of %d entries", old.Size)
		}
		return nil
	}
	if err := proof.VerifyConsistency(rfc6962.DefaultHasher, old.Size, next.Size, hashes, old.Root, next.Root); err != nil {
		return fmt.Errorf("the log of %d entries does not begin with the one of %d that was seen before: %w", next.Size, old.Size, err)
	}
	return nil
}
