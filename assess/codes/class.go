package codes

// kind is a class of functions: complementing bits of all subjects or of all objects leads from one to another of the same class and changes no access (H.classes).
type kind int

const (
	classNever   kind = iota // φ = 0
	classAlways              // φ = 1
	classSubject             // a, ¬a
	classObject              // b, ¬b
	classAnd                 // 1 at one place; stands for all: and
	classOr                  // 0 at one place; stands for all: subset
	classEqual               // xor, xnor; stands for both: xnor
)

var kindNames = [...]string{"never", "always", "subject only", "object only", "and", "or", "equal"}

// Class is the name of the class of a function, and the function that stands for the class.
func (p Phi) Class() (name string, standard Phi) {
	c, _, _ := p.class()
	switch c {
	case classNever:
		standard = 0
	case classAlways:
		standard = 15
	case classSubject:
		standard = 0b1100
	case classObject:
		standard = 0b1010
	case classAnd:
		standard = And
	case classOr:
		standard = Subset
	case classEqual:
		standard = Xnor
	}
	return kindNames[c], standard
}

// class is the class of a function and which side's bits have to be complemented to get from the codes of the class's standard function to those of this one.
func (p Phi) class() (c kind, flipA, flipB bool) {
	switch p {
	case 0:
		return classNever, false, false
	case 15:
		return classAlways, false, false
	case 0b1100, 0b0011:
		return classSubject, p == 0b0011, false
	case 0b1010, 0b0101:
		return classObject, false, p == 0b0101
	case Xnor, 0b0110:
		return classEqual, p != Xnor, false
	}
	for k := range 4 {
		a, b := k>>1, k&1
		if p == 1<<k {
			return classAnd, a == 0, b == 0
		}
		if p == 15&^(1<<k) {
			return classOr, a == 1, b == 0
		}
	}
	panic("codes: a function of two bits above 15")
}

// flip complements the codes of one side.
func flip(codes []uint64, mask uint64, really bool) []uint64 {
	if really {
		for i := range codes {
			codes[i] ^= mask
		}
	}
	return codes
}
