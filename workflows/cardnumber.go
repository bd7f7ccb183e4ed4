package workflows

// holdsCardNumber finds 13 to 19 digits that pass the Luhn check, also when
// they are written in groups.
func holdsCardNumber(s string) bool {
	var digits []int
	for _, r := range s + "." {
		switch {
		case r >= '0' && r <= '9':
			digits = append(digits, int(r-'0'))
		case r == ' ' || r == '-':
		default:
			if luhnInside(digits) {
				return true
			}
			digits = digits[:0]
		}
	}
	return false
}

func luhnInside(d []int) bool {
	for from := range d {
		for n := 13; n <= 19 && from+n <= len(d); n++ {
			if luhn(d[from : from+n]) {
				return true
			}
		}
	}
	return false
}

func luhn(d []int) bool {
	sum := 0
	for i := range d {
		x := d[len(d)-1-i]
		if i%2 == 1 {
			if x *= 2; x > 9 {
				x -= 9
			}
		}
		sum += x
	}
	return sum%10 == 0
}
