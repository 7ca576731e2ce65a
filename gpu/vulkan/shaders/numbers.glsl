// numbers.glsl   Functions of one number, written out so that every device gives the same accuracy (Vulkan allows exp an
// error of 3 + 2 |x| units in the last place, and has no erf). Coefficients are our own minimax fits. NaN gives NaN, which
// min() and max() don't promise.

float max_(float a, float b) { return a >= b || is_nan(a) ? a : b; }

// e^x, relative error 2e-7 for x in [-87, 88]; exactly 0 below and exactly 1 at 0.
float exp_(float x) {
  if (x < -87.0) return 0.0;
  if (x > 88.0) x = 88.0;
  float n = round(x * 1.442695041);
  precise float r = (x - n * 0.693359375) + n * 2.12194440e-4;  // ln 2 in two parts; n * 0.693359375 is exact
  float p = fma(fma(fma(fma(0.00139504831, r, 0.00836889015), r, 0.0416662059), r, 0.166665188), r, 0.50000001);
  return ldexp(1.0 + (r + r * r * p), int(n));
}

// Natural logarithm of a positive normal number, absolute error 1e-7 times max(1, |result|).
float log_(float x) {
  if (is_nan(x)) return x;
  int e = int(floatBitsToUint(x) >> 23) - 126;
  float m = uintBitsToFloat((floatBitsToUint(x) & 0x007fffffu) | 0x3f000000u);  // [0.5, 1)
  if (m < 0.70710678) { m *= 2.0; e -= 1; }
  float f = m - 1.0;
  float p = 0.0683010557;
  p = fma(p, f, -0.117965781);
  p = fma(p, f, 0.11917124);
  p = fma(p, f, -0.123858765);
  p = fma(p, f, 0.142123553);
  p = fma(p, f, -0.166689586);
  p = fma(p, f, 0.20002566);
  p = fma(p, f, -0.249999963);
  p = fma(p, f, 0.333333046);
  float n = float(e);
  precise float low = f * f * f * p - n * 2.12194440e-4 - 0.5 * f * f;
  return low + f + n * 0.693359375;
}

// 1 + erf(x), absolute error 2e-7, without losing the small tail of negative x.
float one_plus_erf(float x) {
  float a = abs(x);
  if (a > 6.0) return x < 0.0 ? 0.0 : 2.0;
  if (a < 1.0) {
    float u = a * a;
    float p = 7.88910887e-05;
    p = fma(p, u, -0.000802083809);
    p = fma(p, u, 0.00518953498);
    p = fma(p, u, -0.0268544444);
    p = fma(p, u, 0.112836002);
    p = fma(p, u, -0.376126271);
    p = fma(p, u, 1.12837917);
    return 1.0 + x * p;
  }
  float g = -7.11648783e-08;  // -ln erfc(a)
  g = fma(g, a, -1.19799667e-07);
  g = fma(g, a, 3.21646982e-05);
  g = fma(g, a, -0.000525100954);
  g = fma(g, a, 0.00452965929);
  g = fma(g, a, -0.0259457907);
  g = fma(g, a, 0.10944604);
  g = fma(g, a, 0.632352869);
  g = fma(g, a, 1.12998565);
  g = fma(g, a, -0.000269791712);
  float tail = exp_(-g);
  return x < 0.0 ? tail : 2.0 - tail;
}

// tanh, absolute error 2e-7.
float tanh_(float x) {
  float a = abs(x);
  if (a < 0.6) {
    float u = a * a;
    float p = -0.00561558649;
    p = fma(p, u, 0.0205528032);
    p = fma(p, u, -0.0537098318);
    p = fma(p, u, 0.133309968);
    p = fma(p, u, -0.333332554);
    p = fma(p, u, 0.999999996);
    return x * p;
  }
  float t = 1.0 - 2.0 / (exp_(2.0 * (a > 40.0 ? 40.0 : a)) + 1.0);
  return x < 0.0 ? -t : t;
}
