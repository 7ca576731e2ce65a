// mask.glsl   The rule of a mask slot, evaluated for a cell: twin of MaskRule::allowed() in engine/mask.cpp.
struct MaskData {
  uint kind;               // 0 causal, 1 bidirectional, 2 prefix, 3 window, 4 custom, 5 local
  uint n;                  // prefix length, window width with the query itself, or keys on either side
  uint queries, keys;      // painted area of a custom mask; outside it the causal rule holds
};

bool allowed(MaskData mask, Words bits, uint query, uint key) {
  bool causal = key <= query;
  if (mask.kind == 0) return causal;
  if (mask.kind == 1) return true;
  if (mask.kind == 2) return causal || key < mask.n;
  if (mask.kind == 3) return causal && query - key < mask.n;
  if (mask.kind == 5) return (causal ? query - key : key - query) <= mask.n;
  if (query < mask.queries && key < mask.keys)
    return (bits.at[query * ((mask.keys + 31) / 32) + key / 32] >> (key % 32) & 1) != 0;
  return causal;
}
