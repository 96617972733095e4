package etcdstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// The database of etcd is a file of pages. Its own code takes what the pages say on trust, maps the file and panics on damage in goroutines where nobody can
// catch it. The reader here trusts nothing: it checks every number before it follows it, and reads only through system calls.
//
// The file begins with two pages that hold a meta record each; the valid one with the higher transaction counts. A bucket is a tree of branch and
// leaf pages; a page may go on over the following ones; a small bucket lies as one leaf page within the leaf that names it.
const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	pageHeader  = 16
	elementSize = 16
	bucketSize  = 16
	metaChecked = 56 // bytes before the checksum
	noFreelist  = ^uint64(0)

	pageBranch   = 0x01
	pageLeaf     = 0x02
	pageFreelist = 0x10
	leafBucket   = 0x01

	treeDepth = 64
)

// errInUse is a database that another process has opened.
var errInUse = errors.New("the database is in use")

// order is that of the machine which wrote the file.
var order = binary.NativeEndian

// meta is what of a meta record the reader needs.
type meta struct {
	pageSize, root, freelist, pages, transaction uint64
}

// database is a file being read.
type database struct {
	meta
	ctx  context.Context
	file io.ReaderAt
	seen []bool // pages that the trees reach
	each func(bucket string, k, v []byte) error
}

// walkDatabase reads everything in the database file at path, and gives each every pair of the buckets at the top.
func walkDatabase(ctx context.Context, path string, each func(bucket string, k, v []byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		return errInUse
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m, ok := newestMeta(f)
	if !ok {
		return errors.New("the database has no valid head")
	}
	if size := uint64(info.Size()); m.pages > size/m.pageSize {
		return fmt.Errorf("the database is cut: it has %d of %d pages", size/m.pageSize, m.pages)
	}
	d := &database{meta: m, ctx: ctx, file: f, seen: make([]bool, m.pages), each: each}
	if err := d.walk(place{page: m.root}); err != nil {
		return err
	}
	return d.checkFree()
}

// newestMeta reads both meta records. The second lies one page further on; page sizes are those of the machines the file may come from.
func newestMeta(f io.ReaderAt) (meta, bool) {
	var best meta
	found := false
	for _, at := range []int64{0, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16} {
		b := make([]byte, pageHeader+metaChecked+8)
		if _, err := f.ReadAt(b, at); err != nil {
			continue
		}
		b = b[pageHeader:]
		h := fnv.New64a()
		h.Write(b[:metaChecked])
		if order.Uint32(b) != metaMagic || order.Uint32(b[4:]) != metaVersion || order.Uint64(b[metaChecked:]) != h.Sum64() {
			continue
		}
		m := meta{pageSize: uint64(order.Uint32(b[8:])), root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]), pages: order.Uint64(b[40:]), transaction: order.Uint64(b[48:])}
		if m.pageSize < 1<<10 || at != 0 && uint64(at) != m.pageSize {
			continue
		}
		if !found || m.transaction > best.transaction {
			best, found = m, true
		}
	}
	return best, found
}

// place is where the walk is: a page, in a bucket ("" is the root, whose keys are the names of buckets), with the bounds of its keys.
type place struct {
	page     uint64
	bucket   string
	depth    int
	min, max []byte
}

func (p place) fault(what string) error {
	return fmt.Errorf("page %d of the database %s", p.page, what)
}

// read gives a page with those that it goes on over, each of which may be read once.
func (d *database) read(p place) ([]byte, error) {
	if err := d.ctx.Err(); err != nil {
		return nil, err
	}
	if p.page < 2 || p.page >= d.pages || p.depth > treeDepth {
		return nil, p.fault("does not exist")
	}
	head := make([]byte, pageHeader)
	if _, err := d.file.ReadAt(head, int64(p.page*d.pageSize)); err != nil {
		return nil, err
	}
	more := uint64(order.Uint32(head[12:]))
	if order.Uint64(head) != p.page || more >= d.pages-p.page {
		return nil, p.fault("is overwritten")
	}
	for i := p.page; i <= p.page+more; i++ {
		if d.seen[i] {
			return nil, p.fault("is in two places")
		}
		d.seen[i] = true
	}
	b := make([]byte, (more+1)*d.pageSize)
	_, err := d.file.ReadAt(b, int64(p.page*d.pageSize))
	return b, err
}

func (d *database) walk(p place) error {
	b, err := d.read(p)
	if err != nil {
		return err
	}
	return d.walkPage(p, b)
}

// walkPage reads the page in b.
func (d *database) walkPage(p place, b []byte) error {
	flags, count := order.Uint16(b[8:]), int(order.Uint16(b[10:]))
	if pageHeader+count*elementSize > len(b) {
		return p.fault("has too many entries")
	}
	switch flags {
	case pageBranch:
		return d.walkBranch(p, b, count)
	case pageLeaf:
		return d.walkLeaf(p, b, count)
	}
	return p.fault("is of no kind that belongs there")
}

func (d *database) walkBranch(p place, b []byte, count int) error {
	if count == 0 {
		return p.fault("is empty")
	}
	keys, children := make([][]byte, count), make([]uint64, count)
	for i := range count {
		at := pageHeader + i*elementSize
		k, ok := slice(b, at, order.Uint32(b[at:]), order.Uint32(b[at+4:]))
		if !ok {
			return p.fault("points out of itself")
		}
		keys[i], children[i] = k, order.Uint64(b[at+8:])
	}
	if !inOrder(keys, p.min, p.max) {
		return p.fault("is not in order")
	}
	for i, child := range children {
		below := place{page: child, bucket: p.bucket, depth: p.depth + 1, min: keys[i], max: p.max}
		if i+1 < count {
			below.max = keys[i+1]
		}
		if err := d.walk(below); err != nil {
			return err
		}
	}
	return nil
}

func (d *database) walkLeaf(p place, b []byte, count int) error {
	keys := make([][]byte, count)
	for i := range count {
		at := pageHeader + i*elementSize
		flags, pos, ksize, vsize := order.Uint32(b[at:]), order.Uint32(b[at+4:]), order.Uint32(b[at+8:]), order.Uint32(b[at+12:])
		k, ok := slice(b, at, pos, ksize)
		v, ok2 := slice(b, at+int(ksize), pos, vsize)
		if !ok || !ok2 {
			return p.fault("points out of itself")
		}
		keys[i] = k
		var err error
		switch {
		case p.bucket == "" && flags == leafBucket:
			err = d.walkBucket(p, string(k), v)
		case p.bucket != "" && flags == 0:
			err = d.each(p.bucket, k, v)
		default:
			err = p.fault("has an entry of a kind that does not belong there")
		}
		if err != nil {
			return err
		}
	}
	if !inOrder(keys, p.min, p.max) {
		return p.fault("is not in order")
	}
	return nil
}

// walkBucket reads the bucket that a leaf of the root names.
func (d *database) walkBucket(p place, name string, v []byte) error {
	if len(v) < bucketSize || name == "" {
		return p.fault("names a bucket that is none")
	}
	if root := order.Uint64(v); root != 0 {
		return d.walk(place{page: root, bucket: name, depth: p.depth + 1})
	}
	inline := v[bucketSize:]
	if len(inline) < pageHeader || order.Uint16(inline[8:]) != pageLeaf {
		return p.fault("holds a bucket that is none")
	}
	return d.walkPage(place{page: p.page, bucket: name, depth: p.depth + 1}, inline)
}

// checkFree checks the list of free pages, where there is one: none of them may be in use.
func (d *database) checkFree() error {
	if d.freelist == noFreelist {
		return nil
	}
	p := place{page: d.freelist}
	b, err := d.read(p)
	if err != nil {
		return err
	}
	count, ids := uint64(order.Uint16(b[10:])), b[pageHeader:]
	if count == 0xFFFF { // the list is so long that its first entry is its length
		count, ids = order.Uint64(ids), ids[8:]
	}
	if order.Uint16(b[8:]) != pageFreelist || count > uint64(len(ids)/8) {
		return p.fault("is no list of free pages")
	}
	for i := range count {
		if id := order.Uint64(ids[8*i:]); id < 2 || id >= d.pages || d.seen[id] {
			return p.fault("lists a page as free that is in use")
		}
	}
	return nil
}

// slice is the part of b that begins pos bytes after the element at at.
func slice(b []byte, at int, pos, size uint32) ([]byte, bool) {
	from := int64(at) + int64(pos)
	to := from + int64(size)
	if to > int64(len(b)) {
		return nil, false
	}
	return b[from:to], true
}

// inOrder reports whether keys grow strictly, from min on and below max.
func inOrder(keys [][]byte, min, max []byte) bool {
	if len(keys) == 0 {
		return true
	}
	return bytes.Compare(keys[0], min) >= 0 && (max == nil || bytes.Compare(keys[len(keys)-1], max) < 0) &&
		slices.IsSortedFunc(keys, bytes.Compare) && len(slices.CompactFunc(slices.Clone(keys), bytes.Equal)) == len(keys)
}
