#include "../support/check_main.h"
#include "base/base64.h"
#include "base/rng.h"

static struct slice decode(const char *text, bool *good)
{
	static uint8_t out[64];
	size_t len;
	*good = base64_decode(slice_string(text), out, &len);
	return slice(out, len);
}

/* The test vectors of RFC 4648, section 10. */
START_TEST(vectors_of_rfc_4648_hold)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		struct buffer encoded = {0};
		bool good;
		base64_encode(&encoded, slice_string(pairs[i][0]));
		ck_assert(slice_equal(buffer_slice(&encoded), slice_string(pairs[i][1])));
		struct slice decoded = decode(pairs[i][1], &good);
		ck_assert(good && slice_equal(decoded, slice_string(pairs[i][0])));
		buffer_free(&encoded);
	}
}
END_TEST

/* Whatever was encoded is decoded to the same bytes. */
START_TEST(decoding_gives_what_was_encoded)
{
	struct rng rng;
	uint8_t bytes[200], back[256];
	rng_seed(&rng, 1);
	for (size_t len = 0; len <= sizeof bytes; len++) {
		struct buffer encoded = {0};
		size_t back_len;
		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)rng_next(&rng);
		base64_encode(&encoded, slice(bytes, len));
		ck_assert_uint_le(base64_decoded_max(encoded.len), sizeof back);
		ck_assert(base64_decode(buffer_slice(&encoded), back, &back_len));
		ck_assert(slice_equal(slice(bytes, len), slice(back, back_len)));
		buffer_free(&encoded);
	}
}
END_TEST

/* What no encoder writes is refused. */
START_TEST(malformed_text_is_refused)
{
	static const char *const texts[] = {
		"Z",    "Zg",   "Zg=",  "Zg==Zg==", "=Zg=", "Zm=v",   "Zm9-",    "Zm9_",
		"Zm9 ", "====", "Z===", "Zh==",     "Zm9=", "Zm9v\n", "Zm9v===="};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		bool good;
		decode(texts[i], &good);
		ck_assert_msg(!good, "%s", texts[i]);
	}
}
END_TEST
